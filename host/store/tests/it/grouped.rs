//! Writes that share a commit do not touch each other.

use crate::support::{self, at};
use futures_util::future::join_all;
use remuda_core::port::{AppFilter, Catalog, Definitions, Page};
use remuda_core::testing::catalog_cases::an_app;
use remuda_core::{App, Fault, Kind};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn what_fails_leaves_the_others_of_its_group_alone() {
    let empty = support::file();
    let store = at(&empty.url).await;
    let taken = store.create_app(an_app("TAKEN", "taken")).await.unwrap();
    let writes = (0..90).map(|n| {
        let (store, id) = (&store, taken.id.clone());
        async move {
            match n % 3 {
                0 => store.create_app(an_app(&format!("A{n}"), &format!("app-{n}"))).await,
                1 => store.create_app(an_app(&format!("A{n}"), "taken")).await,
                _ => store.update_app(&id, Arc::new(|_| Err(Fault::invalid("no")))).await,
            }
        }
    });
    for (n, done) in join_all(writes).await.into_iter().enumerate() {
        match n % 3 {
            0 => assert_eq!(done.unwrap().name, format!("app-{n}")),
            1 => assert_eq!(done.unwrap_err().kind, Kind::Conflict),
            _ => assert_eq!(done.unwrap_err().kind, Kind::Invalid),
        }
    }
    let all = store.list_apps(&AppFilter::default(), &Page { after: None, limit: 100 }).await.unwrap();
    assert_eq!(all.items.len(), 31);
    assert_eq!(*store.app(&taken.id).await.unwrap(), taken);
}

#[tokio::test]
async fn a_change_that_panics_fails_alone() {
    let empty = support::file();
    let store = at(&empty.url).await;
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    let panics = store.update_app(&app.id, Arc::new(|_: App| panic!("on purpose")));
    let (failed, made) = tokio::join!(panics, store.create_app(an_app("B", "other")));
    assert_eq!(failed.unwrap_err().kind, Kind::Internal);
    assert!(made.is_ok());
    assert!(store.create_app(an_app("C", "third")).await.is_ok());
}

#[tokio::test]
async fn those_who_stop_waiting_break_nothing() {
    let empty = support::file();
    let store = at(&empty.url).await;
    let writes = (0..200).map(|n| {
        let store = &store;
        async move {
            let patience = if n % 2 == 0 { Duration::from_secs(30) } else { Duration::from_micros(300) };
            let made = store.create_app(an_app(&format!("A{n}"), &format!("app-{n}")));
            tokio::time::timeout(patience, made).await
        }
    });
    let mut stopped = 0;
    for (n, done) in join_all(writes).await.into_iter().enumerate() {
        if let Ok(made) = done {
            assert!(made.is_ok());
            assert!(store.app_named(&format!("app-{n}")).await.is_ok());
        } else {
            assert!(n % 2 == 1);
            stopped += 1;
        }
    }
    assert!(stopped > 0, "nobody stopped waiting");
    assert!(store.create_app(an_app("LAST", "last")).await.is_ok());
}

#[tokio::test]
async fn closing_finishes_what_was_begun() {
    let empty = support::file();
    let store = Arc::new(at(&empty.url).await);
    let writes: Vec<_> = (0..50)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.create_app(an_app(&format!("A{n}"), &format!("app-{n}"))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let done = join_all(writes).await;
    let made: Vec<String> =
        done.into_iter().filter_map(|made| made.unwrap().ok()).map(|app| app.name).collect();
    let store = at(&empty.url).await;
    let all = store.list_apps(&AppFilter::default(), &Page { after: None, limit: 100 }).await.unwrap();
    assert_eq!(all.items.len(), made.len(), "what was answered is there, and nothing else");
}
