//! Real PostgreSQL and MariaDB servers for tests.
//!
//! [`Postgres`] and [`MariaDb`] are servers of one test alone: it may kill them and start them again. Most tests only
//! need an empty database, and take it from a server that all tests of a run use: [`shared::postgres`],
//! [`shared::mariadb`].
//!
//! Every server keeps its data in a private temporary directory, listens on loopback only, and dies with the process
//! that started it, however that ends. A server program that is not installed is an error that names its Debian
//! package: a test that needs it must fail, not pass by doing nothing.
//!
//! What this does not do: containers, versions to choose from, and anything asynchronous. Wrap the calls in
//! `spawn_blocking` where a second of waiting matters.

mod address;
mod command;
mod directory;
mod keeper;
mod mariadb;
mod postgres;
mod server;
pub mod shared;

pub use address::{Address, go_form};
pub use mariadb::MariaDb;
pub use postgres::Postgres;

/// How a server is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether a commit is on the disk when it is answered. Turn it off where nobody pulls the plug: creating a
    /// database is several times faster without.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { durable: true }
    }
}

impl Options {
    /// A server that forgets its last moments when the machine dies, and is faster for it.
    #[must_use]
    pub fn fast() -> Self {
        Self { durable: false }
    }
}
