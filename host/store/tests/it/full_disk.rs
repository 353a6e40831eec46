//! tmp
use crate::support::until;
use remuda_core::port::Catalog;
use remuda_core::testing::catalog_cases::an_app;
use remuda_store::{Options, open};
use std::time::Duration;

#[tokio::test]
async fn tmp_a_disk_that_was_full_is_written_again() {
    let store = open("sqlite3:///tmp/fulldisk/fn.db", &Options::default()).await.unwrap();
    let mut errs = Vec::new();
    for n in 0..2000 {
        if let Err(f) = store.create_app(an_app(&format!("A{n}"), &format!("app-{n:0200}"))).await {
            errs.push(f.chain());
            if errs.len() > 20 {
                break;
            }
        }
    }
    println!("{} errors: {:?} {:?}", errs.len(), errs.first(), errs.last());
    assert!(errs.len() > 20);
    std::fs::remove_file("/tmp/fulldisk/ballast").unwrap();
    until("again", Duration::from_secs(5), || async { store.create_app(an_app("Z", "z")).await.is_ok() })
        .await;
}
