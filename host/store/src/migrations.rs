//! Bringing the tables up to date, forwards only.
//!
//! Each version is one step that takes a lock before it looks which version is there, so of several processes that
//! start at once one migrates and the others find it done. SQLite and PostgreSQL undo a step that was cut short; MySQL
//! cannot, so its steps do nothing where they were done already.

use crate::database::Connections;
use crate::session::{Dialect, Session};
use crate::table::column;
use crate::{Error, url};

/// One version.
struct Step {
    /// What makes it.
    script: &'static str,
    /// Whether `lb_group` is to be filled from the configs that are there.
    fills_groups: bool,
}

const fn step(script: &'static str) -> Step {
    Step { script, fills_groups: false }
}

// The first step makes version 1. Never change a statement of one that was released: add another.
static SQLITE: [Step; 2] = [
    step(include_str!("../migrations/sqlite/0001_catalogue.sql")),
    Step { script: include_str!("../migrations/sqlite/0002_changes.sql"), fills_groups: true },
];
static POSTGRES: [Step; 1] = [step(include_str!("../migrations/postgres/0001_catalogue.sql"))];
static MYSQL: [Step; 1] = [step(include_str!("../migrations/mysql/0001_catalogue.sql"))];

/// Whoever migrates may keep the others waiting for long.
const WAITS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = 0";
/// Any number, the same in every release.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7213540918)";
/// For as long as the connection lives or until it is released; of this database alone, of all on the server.
const MYSQL_LOCK: &str =
    "SELECT CAST(coalesce(get_lock(concat('remuda.', sha1(database())), ?), 0) AS SIGNED) AS held";
/// As long as anybody may take to migrate.
const LOCK_WAIT_S: i64 = 3600;
const MYSQL_UNLOCK: &str = "SELECT release_lock(concat('remuda.', sha1(database())))";

const VERSION: &str = "SELECT coalesce(max(version), 0) AS version FROM remuda_schema";
const APPLIED: &str = "INSERT INTO remuda_schema (version, applied_at) VALUES (?, ?)";
/// Whoever has these without a table of versions is somebody else: Fn, most likely.
const TABLES: [&str; 3] = ["apps", "fns", "triggers"];

/// What became of a step.
enum Advanced {
    /// This version was there.
    Found(i64),
    /// The tables are somebody else's.
    Foreign,
}

/// Whether the tables have the latest version, as far as can be said without a lock.
pub(crate) async fn are_done(connections: &Connections) -> Result<bool, sqlx::Error> {
    let mut lease = connections.lease().await?;
    let session = lease.session()?;
    let table = session.dialect().table;
    let found = match session.row(table, &["remuda_schema".into()]).await? {
        Some(_) => session.row(VERSION, &[]).await?,
        None => None,
    };
    let found = found.map(|row| row.number("version")).transpose()?;
    lease.rest();
    Ok(found == Some(steps(connections).len() as i64))
}

fn steps(connections: &Connections) -> &'static [Step] {
    match connections {
        Connections::Sqlite { .. } => &SQLITE,
        Connections::Postgres(_) => &POSTGRES,
        Connections::MySql(_) => &MYSQL,
    }
}

/// Brings the tables up to the latest version.
pub(crate) async fn run(connections: &Connections, place: &url::Place) -> Result<(), Error> {
    let steps = steps(connections);
    let known = steps.len() as i64;
    for (version, step) in (1..).zip(steps) {
        let failed = |source| Error::Migrate { name: place.to_string(), version, source };
        match advance(connections, version, step).await.map_err(failed)? {
            Advanced::Foreign => return Err(Error::Foreign { name: place.to_string() }),
            Advanced::Found(found) if found > known => {
                return Err(Error::Newer { name: place.to_string(), found, known });
            }
            Advanced::Found(_) => {}
        }
    }
    Ok(())
}

/// Makes `version`, unless it is there already.
async fn advance(connections: &Connections, version: i64, step: &Step) -> Result<Advanced, sqlx::Error> {
    let mut transaction = connections.lease().await?.begin().await?;
    let session = transaction.session()?;
    match connections {
        Connections::Sqlite { .. } => {}
        Connections::Postgres(_) => {
            session.script(WAITS).await?;
            session.script(POSTGRES_LOCK).await?;
        }
        Connections::MySql(_) => {
            let held = session.row(MYSQL_LOCK, &[LOCK_WAIT_S.into()]).await?;
            if held.map(|row| row.number("held")).transpose()? != Some(1) {
                let why =
                    "the lock that keeps others from changing the tables at the same time is not to be had";
                return Err(sqlx::Error::Io(std::io::Error::other(why)));
            }
        }
    }
    let done = within_lock(session, version, step).await?;
    if matches!(connections, Connections::MySql(_)) {
        // A lock belongs to its connection, which may be used again; after a failure it is closed.
        session.script(MYSQL_UNLOCK).await?;
    }
    transaction.commit().await?;
    Ok(done)
}

async fn within_lock(session: &mut dyn Session, version: i64, step: &Step) -> Result<Advanced, sqlx::Error> {
    let dialect: &'static Dialect = session.dialect();
    if session.row(dialect.table, &["remuda_schema".into()]).await?.is_none() {
        for table in TABLES {
            if session.row(dialect.table, &[table.into()]).await?.is_some() {
                return Ok(Advanced::Foreign);
            }
        }
        session.script(dialect.versions).await?;
    }
    let found = match session.row(VERSION, &[]).await? {
        Some(row) => row.number("version")?,
        None => 0,
    };
    if found < version {
        session.script(step.script).await?;
        if step.fills_groups {
            fill_groups(session, "apps").await?;
            fill_groups(session, "fns").await?;
        }
        let now = remuda_core::Timestamp::from(std::time::SystemTime::now()).to_string();
        session.execute(APPLIED, &[version.into(), now.into()]).await?;
        tracing::info!(version, "tables migrated");
    }
    Ok(Advanced::Found(found))
}

/// Takes the LB group of each row from its config, some rows at a time.
async fn fill_groups(session: &mut dyn Session, table: &'static str) -> Result<(), sqlx::Error> {
    let some = format!("SELECT id, config FROM {table} WHERE id > ? ORDER BY id LIMIT 500");
    let fill = format!("UPDATE {table} SET lb_group = ? WHERE id = ?");
    let mut last = String::new();
    loop {
        let rows = session.rows(&some, &[(&last).into()]).await?;
        let Some(end) = rows.last() else { return Ok(()) };
        for row in &rows {
            let config = column::config(row)?;
            let group = column::group_text(&config);
            if !group.is_empty() {
                session.execute(&fill, &[group.into(), row.text("id")?.into()]).await?;
            }
        }
        last = end.text("id")?;
    }
}
