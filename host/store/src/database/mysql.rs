//! MySQL and MariaDB.

use super::{ACQUIRE_TIMEOUT, Connections, reach};
use crate::session::{Dialect, Session};
use crate::{Error, Options, url};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{ConnectOptions, Connection, MySqlPool};

pub(crate) static DIALECT: Dialect = Dialect {
    numbers_values: false,
    locks_rows: true,
    keeps_zero_bytes: true,
    ranges_over_rows: false,
    now_s: "CAST(unix_timestamp() AS SIGNED)",
    table: "SELECT CAST(table_name AS BINARY) AS name FROM information_schema.tables WHERE table_schema = database() \
            AND table_name = ?",
    versions: "CREATE TABLE IF NOT EXISTS remuda_schema (version bigint NOT NULL PRIMARY KEY, applied_at varbinary(64) \
               NOT NULL) ENGINE = InnoDB",
};

/// What every connection begins with: values that do not fit are refused, a transaction reads what is committed when it
/// reads, and what waits for a lock gives up before we do.
const SETTINGS: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
                        SESSION transaction_isolation = 'READ-COMMITTED', SESSION innodb_lock_wait_timeout = 10";
/// As [`SETTINGS`], for MariaDB before 11.1.
const SETTINGS_MARIADB: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
                                SESSION tx_isolation = 'READ-COMMITTED', SESSION innodb_lock_wait_timeout = 10";

/// Reaches the server.
pub(super) async fn connect(
    connect: &MySqlConnectOptions,
    place: &url::Place,
    options: &Options,
) -> Result<(Connections, Connections, Connections), Error> {
    let connect = connect.clone().disable_statement_logging();
    reach(place, options, || async { MySqlConnection::connect_with(&connect).await?.close().await }).await?;
    let (all, tail) = (pool(&connect, options.connections), pool(&connect, 1));
    Ok((Connections::MySql(all.clone()), Connections::MySql(tail), Connections::MySql(all)))
}

fn pool(connect: &MySqlConnectOptions, connections: u32) -> MySqlPool {
    MySqlPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                match connection.script(SETTINGS).await {
                    Err(sqlx::Error::Database(_)) => connection.script(SETTINGS_MARIADB).await,
                    done => done,
                }
            })
        })
        .connect_lazy_with(connect.clone())
}
