//! Opening a database file.

use super::{Store, migrations};
use crate::{Error, Options};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

/// How long SQLite itself waits for another process's lock before it says "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before asking again for a database that another process has locked while switching it to WAL,
/// where SQLite does not wait by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

impl Store {
    pub(crate) async fn open_file(path: &Path, options: &Options) -> Result<Self, Error> {
        make_directory(path)?;
        let name = path.display().to_string();
        let connect = common().filename(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let open = async {
            let writer = first_connection(&name, &connect, options).await?;
            migrations::run(&writer, &name).await?;
            let readers = SqlitePoolOptions::new()
                .max_connections(options.readers.max(1))
                .acquire_timeout(options.operation_timeout)
                .test_before_acquire(false)
                .connect_lazy_with(connect.create_if_missing(false).pragma("query_only", "on"));
            Ok(Self { writer, readers, operation_timeout: options.operation_timeout })
        };
        within(&name, options, open).await
    }

    /// The data lives in the one connection, which therefore also reads and is never let go.
    pub(crate) async fn open_memory(options: &Options) -> Result<Self, Error> {
        let name = ":memory:";
        let open = async {
            let writer = one_connection(options)
                .connect_with(common().in_memory(true))
                .await
                .map_err(|source| Error::Open { name: name.to_owned(), source })?;
            migrations::run(&writer, name).await?;
            Ok(Self { readers: writer.clone(), writer, operation_timeout: options.operation_timeout })
        };
        within(name, options, open).await
    }
}

fn common() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // A commit that was answered survives a power failure; WAL alone would only survive a crash of ours.
        .synchronous(SqliteSynchronous::Full)
}

fn one_connection(options: &Options) -> SqlitePoolOptions {
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

async fn within<T>(
    name: &str,
    options: &Options,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = || Error::Timeout { name: name.to_owned(), seconds: options.open_timeout.as_secs() };
    tokio::time::timeout(options.open_timeout, work).await.unwrap_or_else(|_| Err(late()))
}

/// Makes the directory of the file, for its owner only, when it is not there.
fn make_directory(path: &Path) -> Result<(), Error> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| Error::Directory { directory: directory.to_owned(), source })
}
