//! Empty databases of every kind.

use remuda_store::{Options, Store, open};
use remuda_test_databases::shared;
use std::time::{Duration, Instant};

/// Where an empty database is, and what must outlive it.
pub(crate) struct Empty {
    pub(crate) url: String,
    _directory: Option<tempfile::TempDir>,
}

pub(crate) fn file() -> Empty {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite3://{}/fn.db", directory.path().display());
    Empty { url, _directory: Some(directory) }
}

pub(crate) async fn postgres() -> Empty {
    let made = tokio::task::spawn_blocking(|| shared::postgres().and_then(shared::Server::fresh_database));
    Empty { url: made.await.unwrap().unwrap(), _directory: None }
}

pub(crate) async fn mariadb() -> Empty {
    let made = tokio::task::spawn_blocking(|| shared::mariadb().and_then(shared::Server::fresh_database));
    Empty { url: made.await.unwrap().unwrap(), _directory: None }
}

/// One of each kind that several stores can open.
pub(crate) async fn all() -> [Empty; 3] {
    [file(), postgres().await, mariadb().await]
}

pub(crate) async fn at(url: &str) -> Store {
    open(url, &Options::default()).await.unwrap()
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, within: Duration, is_so: impl Fn() -> F) {
    let deadline = Instant::now() + within;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
