//! What only a database in a file does.

use remuda_core::port::{Catalog, Definitions};
use remuda_core::testing::catalog_cases::{a_function, a_trigger, an_app};
use remuda_core::{App, AppId, Kind};
use remuda_store::{Options, Store, open};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

async fn at(path: &Path) -> Store {
    open(&format!("sqlite3://{}", path.display()), &Options::default()).await.unwrap()
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/down/fn.db");
    let store = at(&path).await;
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    let function = store.create_function(a_function("F", "f", &app)).await.unwrap();
    let trigger = store.create_trigger(a_trigger("T", "t", &function, "/x")).await.unwrap();
    for made in ["fn.db", "fn.db-wal", "fn.db-shm"] {
        let mode = std::fs::metadata(path.with_file_name(made)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{made}");
    }
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
async fn an_abandoned_change_leaves_the_store_usable() {
    let empty = crate::support::file();
    let store = crate::support::at(&empty.url).await;
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    for _ in 0..20 {
        let change = store.update_app(
            &app.id,
            Arc::new(|mut app: App| {
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
