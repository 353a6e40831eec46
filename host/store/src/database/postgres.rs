//! PostgreSQL.

use super::{ACQUIRE_TIMEOUT, Connections, LOCK_TIMEOUT, reach};
use crate::session::{Dialect, Session};
use crate::{Error, Options, url};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

pub(crate) static DIALECT: Dialect = Dialect {
    numbers_values: true,
    locks_rows: true,
    keeps_zero_bytes: false,
    ranges_over_rows: true,
    skips_duplicates: false,
    now_s: "CAST(extract(epoch FROM clock_timestamp()) AS bigint)",
    table: "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = current_schema() \
            AND table_name = ?",
    versions: "CREATE TABLE IF NOT EXISTS remuda_schema (version bigint NOT NULL PRIMARY KEY, applied_at text NOT NULL)",
};

/// Reaches the server.
pub(super) async fn connect(
    connect: &PgConnectOptions,
    place: &url::Place,
    options: &Options,
) -> Result<(Connections, Connections, Connections), Error> {
    let connect = connect.clone().application_name("remuda").disable_statement_logging();
    let encoding = reach(place, options, || encoding(&connect)).await?;
    if encoding != "UTF8" {
        return Err(Error::Encoding { name: place.to_string(), encoding });
    }
    let (all, tail) = (pool(&connect, options.connections, options), pool(&connect, 1, options));
    Ok((Connections::Postgres(all.clone()), Connections::Postgres(tail), Connections::Postgres(all)))
}

async fn encoding(connect: &PgConnectOptions) -> Result<String, sqlx::Error> {
    let mut connection = PgConnection::connect_with(connect).await?;
    let row = connection.row("SELECT current_setting('server_encoding') AS encoding", &[]).await?;
    let encoding = row.ok_or(sqlx::Error::RowNotFound)?.text("encoding")?;
    connection.close().await.map(|()| encoding)
}

fn pool(connect: &PgConnectOptions, connections: u32, options: &Options) -> PgPool {
    let give_up_ms = options.operation_timeout.as_millis().to_string();
    let lock_ms = LOCK_TIMEOUT.min(options.operation_timeout).as_millis().to_string();
    PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            let (give_up_ms, lock_ms) = (give_up_ms.clone(), lock_ms.clone());
            Box::pin(async move { limit(connection, &give_up_ms, &lock_ms).await })
        })
        .connect_lazy_with(connect.clone())
}

/// What we have given up on, the server need not finish; and when it does not hear of us any more, it frees what we have
/// locked.
async fn limit(connection: &mut PgConnection, give_up_ms: &str, lock_ms: &str) -> Result<(), sqlx::Error> {
    let set = "SELECT set_config('statement_timeout', ?, false), set_config('lock_timeout', ?, false), \
               set_config('idle_in_transaction_session_timeout', ?, false)";
    connection.execute(set, &[give_up_ms.into(), lock_ms.into(), give_up_ms.into()]).await?;
    // Servers before version 12 do not know it.
    match connection.execute("SELECT set_config('tcp_user_timeout', ?, false)", &[give_up_ms.into()]).await {
        Err(sqlx::Error::Database(_)) => Ok(()),
        done => done,
    }
}
