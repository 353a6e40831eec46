//! The three databases: what differs between them is in a file each, what they share is here.

mod alone;
mod connections;
pub(crate) mod grouped;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use alone::Alone;
pub(crate) use connections::{Connections, Lease};

use crate::Error;
use crate::{Options, migrations, url};
use grouped::Grouped;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long to wait for a free or new connection: what is asked of a database that is away is answered after this.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a server waits for a lock before it says so, and the write goes to the end of the queue: whoever else writes
/// is not kept waiting for long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// What one attempt to connect may take while opening.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to connect while opening.
const CONNECT_PAUSE: Duration = Duration::from_secs(1);

/// An open database.
#[derive(Debug)]
pub(crate) struct Database {
    /// For what is only read.
    pub(crate) readers: Connections,
    /// For reading word of changes: kept apart, so that it comes in time when all others are busy.
    pub(crate) tail: Connections,
    /// For what is written.
    pub(crate) writer: Writer,
}

/// How writes are carried out.
#[derive(Debug)]
pub(crate) enum Writer {
    /// By one task, many in one transaction.
    Grouped(Grouped),
    /// Each by itself.
    Alone(Alone),
}

impl Database {
    /// Opens what a URL names and brings its tables up to date. `written` is told of each commit.
    pub(crate) async fn open(
        place: &url::Place,
        options: &Options,
        written: &Arc<Notify>,
    ) -> Result<Self, Error> {
        let (readers, tail, writer) = match place {
            url::Place::File(path) => sqlite::in_file(path, options).await?,
            url::Place::Memory => sqlite::in_memory(options).await?,
            url::Place::Postgres(connect) => postgres::connect(connect, place, options).await?,
            url::Place::MySql(connect) => mysql::connect(connect, place, options).await?,
        };
        migrate(&writer, place, options).await?;
        let writer = match &writer {
            Connections::Sqlite { .. } => Writer::Grouped(Grouped::new(writer, Arc::clone(written))),
            Connections::Postgres(_) | Connections::MySql(_) => {
                Writer::Alone(Alone::new(writer, options.connections, options.operation_timeout))
            }
        };
        Ok(Self { readers, tail, writer })
    }

    /// Finishes what is being done and closes the connections.
    pub(crate) async fn close(&self) {
        match &self.writer {
            Writer::Grouped(grouped) => grouped.close().await,
            Writer::Alone(alone) => alone.close().await,
        }
        self.readers.close().await;
        self.tail.close().await;
    }
}

/// Brings the tables up to date, if they are not.
async fn migrate(connections: &Connections, place: &url::Place, options: &Options) -> Result<(), Error> {
    let look = tokio::time::timeout(options.open_timeout, migrations::are_done(connections));
    let late = |limit: Duration| Error::Timeout { name: place.to_string(), seconds: limit.as_secs() };
    let looked = look.await.map_err(|_| late(options.open_timeout))?;
    if looked.map_err(|source| Error::Open { name: place.to_string(), source })? {
        return Ok(());
    }
    if !options.may_create {
        return Err(Error::NoCatalogue { name: place.to_string() });
    }
    tracing::info!(database = %place, "bringing the tables up to date, or waiting for another process that does so");
    let limit = options.migrate_timeout;
    tokio::time::timeout(limit, migrations::run(connections, place)).await.map_err(|_| late(limit))?
}

/// Asks a server for a connection, again and again while it is not there, and for something on it.
async fn reach<T, F: Future<Output = Result<T, sqlx::Error>>>(
    place: &url::Place,
    options: &Options,
    connect: impl Fn() -> F,
) -> Result<T, Error> {
    let mut attempt = 1;
    loop {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect()).await;
        let source = match connected.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)) {
            Ok(found) => return Ok(found),
            // The driver has no RSA. It is the only reason for which it says this after it has read the URL.
            Err(sqlx::Error::Configuration(why)) if why.to_string().contains("RSA") => {
                return Err(Error::LoginNeedsTls { name: place.to_string() });
            }
            Err(source) => source,
        };
        if attempt >= options.connect_attempts.max(1) {
            return Err(Error::Connect { name: place.to_string(), attempts: attempt, source });
        }
        tracing::warn!(database = %place, attempt, error = %source, "the database cannot be reached yet");
        attempt += 1;
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}
