//! Empty databases of every kind.

use remuda_store::{Options, Store, open};
use remuda_test_databases::shared;
use sqlx::{Connection, SqliteConnection};
use std::time::{Duration, Instant};

/// Where an empty database is, and what must outlive it.
pub(crate) struct Empty {
    pub(crate) url: String,
    _directory: Option<tempfile::TempDir>,
}

pub(crate) fn file() -> Empty {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite3://{}/fn.db", directory.path().display());
    Empty { url, _directory: Some(directory) }
}

pub(crate) async fn postgres() -> Empty {
    let made = tokio::task::spawn_blocking(|| shared::postgres().and_then(shared::Server::fresh_database));
    Empty { url: made.await.unwrap().unwrap(), _directory: None }
}

pub(crate) async fn mariadb() -> Empty {
    let made = tokio::task::spawn_blocking(|| shared::mariadb().and_then(shared::Server::fresh_database));
    Empty { url: made.await.unwrap().unwrap(), _directory: None }
}

/// One of each kind that several stores can open.
pub(crate) async fn all() -> [Empty; 3] {
    [file(), postgres().await, mariadb().await]
}

pub(crate) async fn at(url: &str) -> Store {
    open(url, &Options::default()).await.unwrap()
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, within: Duration, is_so: impl Fn() -> F) {
    let deadline = Instant::now() + within;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs statements of a database's own.
pub(crate) async fn raw(url: &str, statements: &'static str) {
    if let Some(path) = url.strip_prefix("sqlite3://") {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else if url.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    }
}

/// How many connections there are to a database on a server, this one included.
pub(crate) async fn connections_to(url: &str) -> i64 {
    if url.starts_with("postgres") {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
        sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
    } else {
        let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
        let count = "SELECT count(*) FROM information_schema.processlist WHERE db = database()";
        sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap()
    }
}

/// Ends all connections to a database of MariaDB but this one.
pub(crate) async fn kill_all(url: &str) {
    let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
    let others =
        "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()";
    for id in sqlx::query_scalar::<_, i64>(others).fetch_all(&mut connection).await.unwrap() {
        // It may have ended meanwhile.
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {id}"))).execute(&mut connection).await;
    }
}
