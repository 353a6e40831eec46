//! Bringing the tables up to date, forwards only.
//!
//! Each version is one transaction that takes the write lock before it looks which version is there, so of several
//! processes that start at once one migrates and the others find it done.

use crate::Error;
use sqlx::{Row, SqlitePool};

/// The steps; the first makes version 1. Never change one that was released: add another.
const STEPS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_catalogue.sql")];

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS remuda_schema (version integer NOT NULL PRIMARY KEY, applied_at text NOT NULL)";
const APPLIED: &str =
    "INSERT INTO remuda_schema (version, applied_at) VALUES (?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";

/// Brings the tables of the database `name` up to the latest version.
pub(super) async fn run(writer: &SqlitePool, name: &str) -> Result<(), Error> {
    let known = latest();
    for (version, step) in (1..).zip(STEPS) {
        let failed = |source| Error::Migrate { name: name.to_owned(), version, source };
        let found = advance(writer, version, step).await.map_err(failed)?;
        if found > known {
            return Err(Error::Newer { name: name.to_owned(), found, known });
        }
    }
    Ok(())
}

fn latest() -> i64 {
    STEPS.len() as i64
}

/// Makes `version`, unless it is there already. Says which version was found.
async fn advance(writer: &SqlitePool, version: i64, step: &'static str) -> Result<i64, sqlx::Error> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(VERSIONS).execute(&mut *transaction).await?;
    let row = sqlx::query("SELECT coalesce(max(version), 0) AS version FROM remuda_schema")
        .fetch_one(&mut *transaction)
        .await?;
    let found: i64 = row.try_get("version")?;
    if found < version {
        sqlx::raw_sql(step).execute(&mut *transaction).await?;
        sqlx::query(APPLIED).bind(version).execute(&mut *transaction).await?;
        tracing::info!(version, "tables migrated");
    }
    transaction.commit().await?;
    Ok(found)
}
