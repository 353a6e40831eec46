//! The catalogue in a database: SQLite, PostgreSQL, MySQL or MariaDB, with sqlx.
//!
//! It stores what it is given: what may be stored is decided by [`remuda_core::catalog`]. What it does decide is what
//! only a database can: that names and sources stay unique, that a function's app exists. Deliberately absent: HTTP,
//! caching (a load balancer does that), and SQL outside this crate. Start from [`open`].
//!
//! Inside: `table` has the statements, written once for all databases; `database` has what differs between them and how
//! writes become transactions; `tail` reads word of changes and tells it.

mod database;
mod error;
mod failure;
mod migrations;
mod pruning;
mod session;
mod store;
mod table;
mod tail;
mod url;

pub use error::Error;
pub use store::Store;

use std::time::Duration;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at the same time, beside one that reads word of changes; with SQLite beside the one that writes. On a
    /// server all but two of them may write, so that reads go on while writes wait for locks.
    pub connections: u32,
    /// What one operation may take, waiting for a connection included. (A server that cannot be reached is given up
    /// on after two seconds.)
    pub operation_timeout: Duration,
    /// What making or finding the file, and finding that the tables are up to date, may take.
    pub open_timeout: Duration,
    /// What bringing the tables up to date may take: waiting for another process that does so included.
    pub migrate_timeout: Duration,
    /// Whether a database without our tables gets them, and one with those of an earlier release is brought up to date. A
    /// tool that only looks at what nodes have made turns it off, so that a mistake in the URL makes no new catalogue.
    pub may_create: bool,
    /// How often a server is tried while opening, a second apart.
    pub connect_attempts: u32,
    /// How often to look for what others have changed, while anybody watches.
    pub poll_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            operation_timeout: Duration::from_secs(15),
            open_timeout: Duration::from_secs(30),
            migrate_timeout: Duration::from_secs(600),
            may_create: true,
            connect_attempts: 10,
            poll_interval: Duration::from_millis(50),
        }
    }
}

/// Opens the database that `url` names and brings its tables up to date. Several processes may open one at the same
/// time.
///
/// Understood are `sqlite3:///absolute/path`, which is made when it is not there; for a database that dies with the
/// process `sqlite3://:memory:` or `:memory:`; `postgres://user:password@host:port/database?sslmode=…`; and
/// `mysql://user:password@tcp(host:port)/database` or `mysql://user:password@host:port/database`. The errors do not
/// repeat passwords.
pub async fn open(url: &str, options: &Options) -> Result<Store, Error> {
    Store::open(&url::parse(url)?, options).await
}
