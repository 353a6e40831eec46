//! The databases that are measured: files of SQLite, and servers of this run's own whose commits are on the disk when
//! they are answered. All keep their data in the same file system.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use remuda_core::{AppId, Config, FnId, Function, MemoryMb, Timestamp};
use remuda_harness::{Api, Cluster, daemons};
use remuda_test_databases::{MariaDb, Options, Postgres};
use tempfile::TempDir;

use super::Doing;
use crate::Failure;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MariaDb];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// The servers, and a directory for files. All of it is gone with this value.
pub(crate) struct Databases {
    servers: Arc<(Postgres, MariaDb)>,
    files: TempDir,
}

impl Databases {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let postgres = tokio::task::spawn_blocking(|| Postgres::start(Options::default()));
        let mariadb = tokio::task::spawn_blocking(|| MariaDb::start(Options::default()));
        let (postgres, mariadb) = tokio::join!(postgres, mariadb);
        let postgres = postgres.doing("start PostgreSQL")?.map_err(Failure::because)?;
        let mariadb = mariadb.doing("start MariaDB")?.map_err(Failure::because)?;
        let files = tempfile::Builder::new().prefix("remuda-bench-").tempdir()?;
        Ok(Self { servers: Arc::new((postgres, mariadb)), files })
    }

    /// A file below the directory for files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The URL of an empty database. `name` sets files of SQLite apart.
    pub(crate) async fn fresh(&self, kind: Kind, name: &str) -> Result<String, Failure> {
        match kind {
            Kind::Sqlite => Ok(format!("sqlite3://{}", self.file(&format!("{name}.db")).display())),
            Kind::Postgres => self.on_servers(|(postgres, _)| postgres.fresh_database()).await,
            Kind::MariaDb => self.on_servers(|(_, mariadb)| mariadb.fresh_database()).await,
        }
    }

    /// Runs SQL on the server of a database, by its URL.
    pub(crate) async fn execute(&self, kind: Kind, url: &str, sql: String) -> Result<String, Failure> {
        let database = url.rsplit('/').next().unwrap_or_default().to_owned();
        match kind {
            Kind::Sqlite => Err(Failure::because("SQLite has no server")),
            Kind::Postgres => self.on_servers(move |(postgres, _)| postgres.execute(&database, &sql)).await,
            Kind::MariaDb => self.on_servers(move |(_, mariadb)| mariadb.execute(&database, &sql)).await,
        }
    }

    async fn on_servers<T: Send + 'static>(
        &self,
        work: impl FnOnce(&(Postgres, MariaDb)) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Failure> {
        let servers = Arc::clone(&self.servers);
        let done = tokio::task::spawn_blocking(move || work(&servers)).await;
        done.doing("ask a database server")?.map_err(Failure::because)
    }
}

/// An API node of the release build, or several on one database.
pub(crate) async fn api_nodes(
    built: &daemons::Daemons,
    count: usize,
    variables: &[(&str, &str)],
) -> Result<Cluster, Failure> {
    let mut shape = Cluster::builder().interactive().label_key("remuda.bench").daemons(built.clone());
    for _ in 0..count {
        shape = shape.api();
    }
    for (name, value) in [("FN_LOG_LEVEL", "INFO")].iter().chain(variables) {
        shape = shape.env("*", name, *value);
    }
    Ok(shape.start().await?)
}

/// An image that nobody runs.
pub(crate) const IMAGE: &str = "registry.example/team/function:1.0";

/// A function as users make them: two settings and a note.
pub(crate) fn function(id: &str, name: &str, app_id: &AppId) -> Function {
    let now = Timestamp::from(std::time::SystemTime::now());
    let settings = [("DB_HOST", "db.example.internal"), ("LEVEL", "info")];
    Function {
        id: FnId::new(id),
        name: name.to_owned(),
        app_id: app_id.clone(),
        image: IMAGE.to_owned(),
        memory: MemoryMb(128),
        timeout_s: 30,
        idle_timeout_s: 30,
        config: settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        annotations: [("team".to_owned(), "checkout".into())].into(),
        shape: String::new(),
        created_at: now,
        updated_at: now,
    }
}

/// The same function as the body of a request.
pub(crate) fn function_body(name: &str, app_id: &str) -> Vec<u8> {
    let function = serde_json::json!({
        "name": name,
        "app_id": app_id,
        "image": IMAGE,
        "config": { "DB_HOST": "db.example.internal", "LEVEL": "info" },
        "annotations": { "team": "checkout" },
    });
    function.to_string().into_bytes()
}

/// Makes an app and so many functions in it by requests; their ids.
pub(crate) async fn functions_by(api: &Api, count: usize) -> Result<(String, Vec<String>), Failure> {
    let app = api.create_app("bench", &[]).await?;
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(api.create_function(&app, &format!("own-{number}"), IMAGE).await?.0);
    }
    Ok((app.0, ids))
}

/// An app as the store is given it.
pub(crate) fn app(id: &str) -> remuda_core::App {
    let now = Timestamp::from(std::time::SystemTime::now());
    remuda_core::App {
        id: AppId::new(id),
        name: "bench".to_owned(),
        config: Config::new(),
        annotations: remuda_core::Annotations::new(),
        syslog_url: String::new(),
        shape: String::new(),
        created_at: now,
        updated_at: now,
    }
}
