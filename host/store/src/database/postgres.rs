//! PostgreSQL.

use super::{ACQUIRE_TIMEOUT, Connections, reach};
use crate::session::{Dialect, Session};
use crate::{Error, Options, url};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

pub(crate) static DIALECT: Dialect = Dialect {
    numbers_values: true,
    locks_rows: true,
    keeps_zero_bytes: false,
    ranges_over_rows: true,
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
    reach(place, options, || async { PgConnection::connect_with(&connect).await?.close().await }).await?;
    let (all, tail) = (pool(&connect, options.connections, options), pool(&connect, 1, options));
    Ok((Connections::Postgres(all.clone()), Connections::Postgres(tail), Connections::Postgres(all)))
}

fn pool(connect: &PgConnectOptions, connections: u32, options: &Options) -> PgPool {
    // What we have given up on, the server need not finish.
    let give_up_ms = options.operation_timeout.as_millis().to_string();
    PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            let give_up_ms = give_up_ms.clone();
            Box::pin(async move {
                let set =
                    "SELECT set_config('statement_timeout', ?, false), set_config('lock_timeout', ?, false)";
                connection.execute(set, &[(&give_up_ms).into(), (&give_up_ms).into()]).await
            })
        })
        .connect_lazy_with(connect.clone())
}
