//! SQLite passes the catalogue's suite, and keeps what it was given.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use remuda_core::port::{AppFilter, Catalog, Definitions, Page};
use remuda_core::testing::catalog_cases::{a_function, a_trigger, an_app};
use remuda_core::{AppId, Kind};
use remuda_store::{Options, Store, open};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

async fn at(path: &Path) -> Store {
    open(&format!("sqlite3://{}", path.display()), &Options::default()).await.unwrap()
}

async fn in_file() -> (Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (at(&directory.path().join("fn.db")).await, directory)
}

async fn in_memory() -> (Store, ()) {
    (open("sqlite3://:memory:", &Options::default()).await.unwrap(), ())
}

mod memory {
    remuda_core::catalog_suite!(super::in_memory);
}

mod file {
    remuda_core::catalog_suite!(super::in_file);
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/down/fn.db");
    let store = at(&path).await;
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    let function = store.create_function(a_function("F", "f", &app)).await.unwrap();
    let trigger = store.create_trigger(a_trigger("T", "t", &function, "/x")).await.unwrap();
    store.close().await;
    let fault = store.app(&app.id).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable);

    let store = at(&path).await;
    assert_eq!(*store.app(&app.id).await.unwrap(), app);
    assert_eq!(*store.function(&function.id).await.unwrap(), function);
    assert_eq!(*store.trigger_by_source(&app.id, "/x").await.unwrap(), trigger);
    store.close().await;
    for made in ["deep", "deep/down"] {
        let mode = std::fs::metadata(directory.path().join(made)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{made}");
    }
}

#[tokio::test]
async fn several_may_open_a_new_database_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fn.db");
    let stores = futures_util::future::join_all((0..8).map(|_| at(&path))).await;
    let made = futures_util::future::join_all(
        stores.iter().enumerate().map(|(n, store)| store.create_app(an_app(&format!("A{n}"), "app"))),
    )
    .await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for store in &stores {
        assert_eq!(store.app_named("app").await.unwrap().name, "app");
        let all = store.list_apps(&AppFilter::default(), &Page { after: None, limit: 100 }).await.unwrap();
        assert_eq!(all.items.len(), 1);
    }
}

#[tokio::test]
async fn an_abandoned_change_leaves_the_store_usable() {
    let (store, _directory) = in_file().await;
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    for _ in 0..20 {
        let change = store.update_app(
            &app.id,
            Box::new(|mut app| {
                app.config.insert("K".into(), "1".into());
                Ok(app)
            }),
        );
        let _ = tokio::time::timeout(Duration::from_micros(50), change).await;
    }
    assert!(store.create_app(an_app("B", "other")).await.is_ok());
    assert!(store.ping().await.is_ok());
}

#[tokio::test]
async fn what_is_no_database_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fn.db");
    std::fs::write(&path, "this is a text of more than a hundred bytes ".repeat(50)).unwrap();
    let error = open(&format!("sqlite3://{}", path.display()), &Options::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("open the database {}", path.display()));
    let unmakable = open("sqlite3:///proc/nowhere/fn.db", &Options::default()).await.unwrap_err();
    assert_eq!(unmakable.to_string(), "create the database's directory /proc/nowhere");
}

#[tokio::test]
async fn a_database_of_a_later_release_is_left_alone() {
    use sqlx::{Connection, SqliteConnection};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fn.db");
    at(&path).await.close().await;
    let mut raw = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("INSERT INTO remuda_schema VALUES (99, 'later')").execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let error = open(&format!("sqlite3://{}", path.display()), &Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("its tables have version 99"), "{error}");
}

#[tokio::test]
async fn a_locked_database_is_not_waited_for_without_end() {
    use sqlx::{Connection, SqliteConnection};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fn.db");
    let options = Options { operation_timeout: Duration::from_millis(200), ..Options::default() };
    let store = open(&format!("sqlite3://{}", path.display()), &options).await.unwrap();
    let mut raw = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut raw).await.unwrap();
    let fault = store.create_app(an_app("A", "app")).await.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::Unavailable, "the database is not available"));
    assert!(
        store.app(&AppId::new("A")).await.is_err_and(|fault| fault.kind == Kind::NotFound),
        "reading goes on"
    );
    sqlx::query("ROLLBACK").execute(&mut raw).await.unwrap();
}
