//! Connections of any of the databases.

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
    Sqlite(SqlitePool),
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
    Sqlite(PoolConnection<Sqlite>),
    /// To PostgreSQL.
    Postgres(Held<Postgres>),
    /// To MySQL or MariaDB.
    MySql(Held<MySql>),
}

/// A transaction; it is undone when dropped.
pub(crate) enum Transaction {
    /// In SQLite.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On a server.
    Server(Lease),
}

impl Connections {
    /// A connection to read with.
    pub(crate) async fn lease(&self) -> Result<Lease, Error> {
        Ok(match self {
            Self::Sqlite(pool) => Lease::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Lease::Postgres(Held::new(pool.acquire().await?)),
            Self::MySql(pool) => Lease::MySql(Held::new(pool.acquire().await?)),
        })
    }

    /// A transaction to write in. SQLite's takes the write lock at its start, so what it reads stays true until it
    /// commits, in other processes too.
    pub(crate) async fn begin(&self) -> Result<Transaction, Error> {
        if let Self::Sqlite(pool) = self {
            return Ok(Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?));
        }
        let mut lease = self.lease().await?;
        lease.session()?.script("BEGIN").await?;
        Ok(Transaction::Server(lease))
    }

    /// Waits for what is in use, and closes all.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
        }
    }
}

impl Lease {
    /// The connection.
    pub(crate) fn session(&mut self) -> Result<&mut dyn Session, Error> {
        Ok(match self {
            Self::Sqlite(connection) => &mut **connection,
            Self::Postgres(held) => held.connection()?,
            Self::MySql(held) => held.connection()?,
        })
    }

    /// Gives it back: nothing is under way on it.
    pub(crate) fn rest(mut self) {
        match &mut self {
            Self::Sqlite(_) => {}
            Self::Postgres(held) => held.is_at_rest = true,
            Self::MySql(held) => held.is_at_rest = true,
        }
    }
}

impl Transaction {
    /// The connection that it is on.
    pub(crate) fn session(&mut self) -> Result<&mut dyn Session, Error> {
        match self {
            Self::Sqlite(transaction) => Ok(&mut **transaction),
            Self::Server(lease) => lease.session(),
        }
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Server(lease) => end(lease, "COMMIT").await,
        }
    }

    /// Undoes it.
    pub(crate) async fn rollback(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Server(lease) => end(lease, "ROLLBACK").await,
        }
    }
}

async fn end(mut lease: Lease, how: &'static str) -> Result<(), Error> {
    lease.session()?.script(how).await?;
    lease.rest();
    Ok(())
}
