//! Connections of any of the databases.

use crate::failure::Outcome;
use crate::session::Session;
use sqlx::pool::PoolConnection;
use sqlx::{Error, MySql, MySqlPool, PgPool, Postgres, Sqlite, SqlitePool};
use std::time::Duration;

/// How long a connection may take to show that it can be used again.
const RETURN_TIMEOUT: Duration = Duration::from_secs(2);

/// A pool of connections.
#[derive(Clone, Debug)]
pub(crate) enum Connections {
    /// To SQLite.
    Sqlite {
        /// The connections.
        pool: SqlitePool,
        /// Whether the data lives in the one connection there is, which then must never be closed.
        in_memory: bool,
    },
    /// To PostgreSQL.
    Postgres(PgPool),
    /// To MySQL or MariaDB.
    MySql(MySqlPool),
}

/// A connection to a server that is in use. Unless it was put to rest it is closed when dropped: whoever was waiting
/// has given up, and it may never be heard of again.
pub(crate) struct Held<D: sqlx::Database> {
    // Some until it is dropped.
    connection: Option<PoolConnection<D>>,
    is_at_rest: bool,
}

impl<D: sqlx::Database> Held<D> {
    fn new(connection: PoolConnection<D>) -> Self {
        Self { connection: Some(connection), is_at_rest: false }
    }

    fn connection(&mut self) -> Result<&mut D::Connection, Error> {
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }
}

impl<D: sqlx::Database> Drop for Held<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| self.is_at_rest);
        let Some(runtime) = runtime else {
            drop(connection.detach());
            return;
        };
        // The pool tests what comes back, and by itself would wait for the answer without end.
        let back = connection.return_to_pool();
        runtime.spawn(async { tokio::time::timeout(RETURN_TIMEOUT, back).await });
    }
}

/// A connection that is in use.
pub(crate) enum Lease {
    /// To SQLite.
    Sqlite {
        /// The connection.
        connection: PoolConnection<Sqlite>,
        /// Whether the data lives in it.
        in_memory: bool,
    },
    /// To PostgreSQL.
    Postgres(Held<Postgres>),
    /// To MySQL or MariaDB.
    MySql(Held<MySql>),
}

/// A transaction. Its statements are ours and not the driver's: the driver counts transactions, and its count goes wrong
/// for good when SQLite undoes one by itself, as it does when the disk is full.
pub(crate) struct Transaction {
    // Some until it is ended.
    lease: Option<Lease>,
}

impl Connections {
    /// A connection to read with.
    pub(crate) async fn lease(&self) -> Result<Lease, Error> {
        Ok(match self {
            Self::Sqlite { pool, in_memory } => {
                Lease::Sqlite { connection: pool.acquire().await?, in_memory: *in_memory }
            }
            Self::Postgres(pool) => Lease::Postgres(Held::new(pool.acquire().await?)),
            Self::MySql(pool) => Lease::MySql(Held::new(pool.acquire().await?)),
        })
    }

    /// Waits for what is in use, and closes all.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { pool, .. } => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
        }
    }
}

impl Lease {
    /// The connection.
    pub(crate) fn session(&mut self) -> Result<&mut dyn Session, Error> {
        Ok(match self {
            Self::Sqlite { connection, .. } => &mut **connection,
            Self::Postgres(held) => held.connection()?,
            Self::MySql(held) => held.connection()?,
        })
    }

    /// Gives it back: nothing is under way on it.
    pub(crate) fn rest(mut self) {
        match &mut self {
            Self::Sqlite { .. } => {}
            Self::Postgres(held) => held.is_at_rest = true,
            Self::MySql(held) => held.is_at_rest = true,
        }
    }

    /// Gives it back after something was done on it, or closes it, if what was done says that it is of no more use.
    pub(crate) fn rest_after<T>(self, done: &Outcome<T>) {
        match done {
            Err(failure) if failure.spoils_connection() => self.discard(),
            _ => self.rest(),
        }
    }

    /// Closes it, whatever is under way; what was begun is undone.
    fn discard(self) {
        match self {
            // The data goes with it. The next transaction undoes what was left.
            Self::Sqlite { in_memory: true, .. } => {}
            // Not closed in good order: a thread of the driver that has died may not even say so.
            Self::Sqlite { connection, .. } => drop(connection.detach()),
            Self::Postgres(_) | Self::MySql(_) => {}
        }
    }

    /// Begins a transaction to write in. SQLite's takes the write lock at its start, so what it reads stays true until it
    /// commits, in other processes too.
    pub(crate) async fn begin(self) -> Result<Transaction, Error> {
        let (how, keeps_data) = match &self {
            Self::Sqlite { in_memory, .. } => ("BEGIN IMMEDIATE", *in_memory),
            Self::Postgres(_) | Self::MySql(_) => ("BEGIN", false),
        };
        // From here on it is closed unless the transaction is ended.
        let mut transaction = Transaction { lease: Some(self) };
        let mut begun = transaction.session()?.script(how).await;
        if begun.is_err() && keeps_data {
            // A transaction before it may have been left open.
            if transaction.session()?.script("ROLLBACK").await.is_ok() {
                begun = transaction.session()?.script(how).await;
            }
        }
        begun.map(|()| transaction)
    }
}

impl Transaction {
    /// The connection that it is on.
    pub(crate) fn session(&mut self) -> Result<&mut dyn Session, Error> {
        self.lease.as_mut().ok_or(Error::PoolClosed)?.session()
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    /// Undoes it.
    pub(crate) async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    /// Undoes it by whatever it takes: after a failure SQLite may have undone it already, or may not be able to.
    pub(crate) async fn undo(mut self) {
        // The others are closed.
        if !matches!(self.lease, Some(Lease::Sqlite { in_memory: true, .. })) {
            return;
        }
        if let Ok(session) = self.session() {
            // It fails when there is nothing to undo.
            let _ = session.script("ROLLBACK").await;
        }
    }

    async fn end(mut self, how: &'static str) -> Result<(), Error> {
        self.session()?.script(how).await?;
        if let Some(lease) = self.lease.take() {
            lease.rest();
        }
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.discard();
        }
    }
}
