//! Why a database cannot be opened.

use std::path::PathBuf;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL has no scheme.
    #[error("a database URL must look like sqlite3:///absolute/path/fn.db, or be sqlite3://:memory:")]
    NoUrl,
    /// The URL names no file.
    #[error("the database URL names no file: it must look like sqlite3:///absolute/path/fn.db")]
    NoPath,
    /// The URL names a kind of database that is not there.
    #[error(
        "databases of the kind '{scheme}' are not supported yet: what works today is sqlite3:///absolute/path/fn.db \
         and sqlite3://:memory:"
    )]
    Scheme {
        /// The kind it named.
        scheme: String,
    },
    /// The directory of the file cannot be made.
    #[error("create the database's directory {}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be opened, or is no database.
    #[error("open the database {name}")]
    Open {
        /// Its path, or `:memory:`.
        name: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables cannot be brought up to date.
    #[error("bring the tables of the database {name} up to version {version}")]
    Migrate {
        /// Its path, or `:memory:`.
        name: String,
        /// The version that was being made.
        version: i64,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A later release has changed the tables.
    #[error(
        "the database {name} was written by a later release: its tables have version {found}, this release knows \
         versions up to {known}"
    )]
    Newer {
        /// Its path, or `:memory:`.
        name: String,
        /// The version of its tables.
        found: i64,
        /// The latest version known here.
        known: i64,
    },
    /// It took too long, mostly because another process keeps it locked.
    #[error("open the database {name}: not done after {seconds} s; is it locked by another process?")]
    Timeout {
        /// Its path, or `:memory:`.
        name: String,
        /// How long it took.
        seconds: u64,
    },
}
