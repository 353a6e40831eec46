//! SQLite: one connection writes, several read.

use super::Connections;
use crate::session::Dialect;
use crate::{Error, Options};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// How long SQLite itself waits for another process's lock before it says "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before asking again for a database that another process has locked while switching it to WAL,
/// where SQLite does not wait by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

pub(crate) static DIALECT: Dialect = Dialect {
    numbers_values: false,
    locks_rows: false,
    keeps_zero_bytes: true,
    ranges_over_rows: true,
    skips_duplicates: false,
    now_s: "CAST(strftime('%s', 'now') AS integer)",
    table: "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?",
    versions: "CREATE TABLE IF NOT EXISTS remuda_schema (version integer NOT NULL PRIMARY KEY, applied_at text NOT NULL)",
};

/// Connections to read with, to read word of changes with, and to write with.
type Opened = (Connections, Connections, Connections);

/// Opens a database file, and makes it when it is not there.
pub(super) async fn in_file(path: &Path, options: &Options) -> Result<Opened, Error> {
    make_directory(path)?;
    make_file(path)?;
    let name = path.display().to_string();
    let connect = common().filename(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let late = || Error::Timeout { name: name.clone(), seconds: options.open_timeout.as_secs() };
    let first = first_connection(&name, &connect, options);
    let writer = tokio::time::timeout(options.open_timeout, first).await.unwrap_or_else(|_| Err(late()))?;
    let read = connect.clone().create_if_missing(false).pragma("query_only", "on");
    let readers = |count| {
        SqlitePoolOptions::new()
            .max_connections(count)
            .acquire_timeout(options.operation_timeout)
            .test_before_acquire(false)
            .connect_lazy_with(read.clone())
    };
    let (all, tail) = (readers(options.connections.max(1)), readers(1));
    // A file that went away is not made again without its tables.
    writer.set_connect_options(connect.clone().create_if_missing(false));
    let of = |pool| Connections::Sqlite { pool, in_memory: false };
    Ok((of(all), of(tail), of(writer)))
}

/// The data lives in the one connection, which therefore also reads and is never let go.
pub(super) async fn in_memory(options: &Options) -> Result<Opened, Error> {
    let one = one_connection(options)
        .connect_with(common().in_memory(true))
        .await
        .map_err(|source| Error::Open { name: ":memory:".to_owned(), source })?;
    let one = Connections::Sqlite { pool: one, in_memory: true };
    Ok((one.clone(), one.clone(), one))
}

fn common() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // A commit that was answered survives a power failure; WAL alone would only survive a crash of ours.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

fn one_connection(options: &Options) -> sqlx::pool::PoolOptions<Sqlite> {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(options.operation_timeout)
        .test_before_acquire(false)
}

/// Opens the writing connection, which makes the file, again and again while another process has it locked.
async fn first_connection(
    name: &str,
    connect: &SqliteConnectOptions,
    options: &Options,
) -> Result<SqlitePool, Error> {
    loop {
        match one_connection(options).connect_with(connect.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(sqlx::Error::Database(inner)) if inner.message().contains("locked") => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(source) => return Err(Error::Open { name: name.to_owned(), source }),
        }
    }
}

/// Makes the directory of the file, for its owner only, when it is not there.
fn make_directory(path: &Path) -> Result<(), Error> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| Error::Directory { directory: directory.to_owned(), source })
}

/// Makes the file, for its owner only, when it is not there: hashes of tokens and the settings of functions stand in it.
/// SQLite gives the files beside it the same mode.
fn make_file(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_open = |path| std::fs::metadata(path).is_ok_and(|at| at.permissions().mode() & 0o007 != 0);
            if is_open(path) && path.parent().is_none_or(is_open) {
                tracing::warn!(
                    database = %path.display(),
                    "every user of this machine may read the database: take the rights of others away"
                );
            }
            Ok(())
        }
        Err(error) => {
            let source = sqlx::Error::Io(error);
            Err(Error::Open { name: path.display().to_string(), source })
        }
    }
}
