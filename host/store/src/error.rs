//! Why a database cannot be opened.

use std::path::PathBuf;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL has no scheme.
    #[error(
        "a database URL must look like sqlite3:///absolute/path/fn.db, postgres://user:password@host:5432/database or \
         mysql://user:password@tcp(host:3306)/database"
    )]
    NoUrl,
    /// There is no catalogue of this release, and none may be made.
    #[error(
        "there is no catalogue of this release in {name}: name the database that the API nodes use, as they do, and start \
         one of them first"
    )]
    NoCatalogue {
        /// Where it was looked for.
        name: String,
    },
    /// The URL names no file.
    #[error("the database URL names no file: it must look like sqlite3:///absolute/path/fn.db")]
    NoPath,
    /// The URL names a kind of database that is not there.
    #[error(
        "databases of the kind '{scheme}' are not supported: use sqlite3:///absolute/path/fn.db, \
         postgres://user:password@host:5432/database or mysql://user:password@tcp(host:3306)/database"
    )]
    Scheme {
        /// The kind it named.
        scheme: String,
    },
    /// The URL of a PostgreSQL server cannot be read. It is not repeated, because passwords stand in it.
    #[error(
        "the database URL must look like postgres://user:password@host:5432/database?sslmode=require, with what is \
         special in a URL escaped, in the password too"
    )]
    Postgres,
    /// The URL of a MySQL server cannot be read.
    #[error(
        "the database URL must look like mysql://user:password@tcp(host:3306)/database?tls=true, or like \
         mysql://user:password@host:3306/database?ssl-mode=REQUIRED with what is special in a URL escaped"
    )]
    MySql,
    /// A setting in the URL is not known.
    #[error(
        "the database URL has the setting '{key}', which is not known: take it away (for TLS write sslmode=… for \
         PostgreSQL, tls=… or ssl-mode=… for MySQL)"
    )]
    Setting {
        /// Its name.
        key: String,
    },
    /// The server asks for a password in a way that is safe over TLS only.
    #[error(
        "the database {name} takes this user's password (caching_sha2_password) only over TLS: add tls=true or \
         tls=skip-verify to FN_DB_URL, or name a user with mysql_native_password"
    )]
    LoginNeedsTls {
        /// Where it is, without user and password.
        name: String,
    },
    /// The database keeps text in an encoding that does not have all letters.
    #[error("the database {name} keeps text as {encoding}: name one that was created with ENCODING 'UTF8'")]
    Encoding {
        /// Where it is, without user and password.
        name: String,
        /// Its encoding.
        encoding: String,
    },
    /// The server cannot be reached, or lets nobody in.
    #[error("connect to the database {name}, tried {attempts} times")]
    Connect {
        /// Where it is, without user and password.
        name: String,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt ended with.
        source: sqlx::Error,
    },
    /// Tables of our names are there, and are not ours.
    #[error(
        "the database {name} holds tables that Remuda did not make, probably Fn's own: name an empty database, and \
         create apps, functions and triggers in it through the API"
    )]
    Foreign {
        /// Its path, or where it is without user and password.
        name: String,
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
        /// Its path, `:memory:`, or where it is without user and password.
        name: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables cannot be brought up to date.
    #[error("bring the tables of the database {name} up to version {version}")]
    Migrate {
        /// Its path, `:memory:`, or where it is without user and password.
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
        /// Its path, `:memory:`, or where it is without user and password.
        name: String,
        /// The version of its tables.
        found: i64,
        /// The latest version known here.
        known: i64,
    },
    /// It took too long, mostly because another process keeps it locked.
    #[error("open the database {name}: not done after {seconds} s; is it locked by another process?")]
    Timeout {
        /// Its path, `:memory:`, or where it is without user and password.
        name: String,
        /// How long it took.
        seconds: u64,
    },
}
