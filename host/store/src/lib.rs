//! The catalogue in a database: implements [`remuda_core::port::Catalog`] with sqlx. SQLite today.
//!
//! It stores what it is given: what may be stored is decided by [`remuda_core::catalog`]. What it does decide is what
//! only a database can: that names and sources stay unique, that a function's app exists. Deliberately absent: HTTP,
//! caching (a load balancer does that), and SQL outside this crate. Start from [`open`].

mod error;
mod sqlite;
mod url;

pub use error::Error;
pub use sqlite::Store;

use std::time::Duration;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections that read at the same time.
    pub readers: u32,
    /// What one operation may take, waiting for a connection included.
    pub operation_timeout: Duration,
    /// What opening may take: waiting for another process that is migrating, included.
    pub open_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, operation_timeout: Duration::from_secs(15), open_timeout: Duration::from_secs(30) }
    }
}

/// Opens the database that `url` names, makes it when it is not there, and brings its tables up to date. Several
/// processes may open one at the same time.
///
/// Understood are `sqlite3:///absolute/path` and, for a database that dies with the process, `sqlite3://:memory:` or
/// `:memory:`.
pub async fn open(url: &str, options: &Options) -> Result<Store, Error> {
    match url::parse(url)? {
        url::Place::File(path) => Store::open_file(&path, options).await,
        url::Place::Memory => Store::open_memory(options).await,
    }
}
