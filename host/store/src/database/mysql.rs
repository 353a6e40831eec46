//! MySQL and MariaDB.

use super::{ACQUIRE_TIMEOUT, Connections, LOCK_TIMEOUT, reach};
use crate::session::{Dialect, Session};
use crate::{Error, Options, url};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{ConnectOptions, Connection, MySqlPool};
use std::time::Duration;

pub(crate) static DIALECT: Dialect = Dialect {
    numbers_values: false,
    locks_rows: true,
    keeps_zero_bytes: true,
    ranges_over_rows: false,
    skips_duplicates: true,
    now_s: "CAST(unix_timestamp() AS SIGNED)",
    table: "SELECT CAST(table_name AS BINARY) AS name FROM information_schema.tables WHERE table_schema = database() \
            AND table_name = ?",
    versions: "CREATE TABLE IF NOT EXISTS remuda_schema (version bigint NOT NULL PRIMARY KEY, applied_at varbinary(64) \
               NOT NULL) ENGINE = InnoDB",
};

/// A connection that rests for longer is closed by us,
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// and later by MySQL, which has no other way to free what a lost connection has locked.
const WAIT_TIMEOUT_S: i64 = 60;

/// What every connection begins with: values that do not fit are refused, a transaction reads what is committed when it
/// reads,
const SETTINGS: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
                        SESSION transaction_isolation = 'READ-COMMITTED'";
/// (the same for MariaDB before 11.1),
const SETTINGS_MARIADB: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), SESSION tx_isolation = 'READ-COMMITTED'";
/// and what waits for a lock gives up before we do.
const LOCKS: &str = "SET SESSION innodb_lock_wait_timeout = ?";
/// Only MariaDB can end a transaction of which nothing is heard.
const LOST_MARIADB: &str = "SET SESSION idle_transaction_timeout = ?";
const LOST: &str = "SET SESSION wait_timeout = ?";

/// Reaches the server.
pub(super) async fn connect(
    connect: &MySqlConnectOptions,
    place: &url::Place,
    options: &Options,
) -> Result<(Connections, Connections, Connections), Error> {
    let connect = connect.clone().disable_statement_logging();
    reach(place, options, || async { MySqlConnection::connect_with(&connect).await?.close().await }).await?;
    let (all, tail) = (pool(&connect, options.connections, options), pool(&connect, 1, options));
    Ok((Connections::MySql(all.clone()), Connections::MySql(tail), Connections::MySql(all)))
}

fn pool(connect: &MySqlConnectOptions, connections: u32, options: &Options) -> MySqlPool {
    let give_up_s = i64::try_from(options.operation_timeout.as_secs()).unwrap_or(i64::MAX).max(1);
    MySqlPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .after_connect(move |connection, _| Box::pin(prepare(connection, give_up_s)))
        .connect_lazy_with(connect.clone())
}

async fn prepare(connection: &mut MySqlConnection, give_up_s: i64) -> Result<(), sqlx::Error> {
    match connection.script(SETTINGS).await {
        Err(sqlx::Error::Database(_)) => connection.script(SETTINGS_MARIADB).await,
        done => done,
    }?;
    let lock_s = i64::try_from(LOCK_TIMEOUT.as_secs()).unwrap_or(i64::MAX).min(give_up_s);
    connection.execute(LOCKS, &[lock_s.into()]).await?;
    match connection.execute(LOST_MARIADB, &[give_up_s.into()]).await {
        Err(sqlx::Error::Database(_)) => {
            connection.execute(LOST, &[WAIT_TIMEOUT_S.max(give_up_s).into()]).await
        }
        done => done,
    }
}
