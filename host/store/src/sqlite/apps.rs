//! Apps in their table.

use super::{Store, column, failed, failed_or_conflict, page_of};
use remuda_core::port::{AppFilter, Change, Page, PageOf};
use remuda_core::{App, AppId, Fault};
use sqlx::SqliteExecutor;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

const TAKEN: &str = "App already exists";

fn missing() -> Fault {
    Fault::not_found("App not found")
}

fn read(row: &SqliteRow) -> Result<App, sqlx::Error> {
    Ok(App {
        id: AppId::new(column::text(row, "id")?),
        name: column::text(row, "name")?,
        config: column::config(row)?,
        annotations: column::annotations(row)?,
        syslog_url: column::text(row, "syslog_url")?,
        shape: column::text(row, "shape")?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

pub(super) async fn by_id(from: impl SqliteExecutor<'_>, id: &AppId) -> Result<App, Fault> {
    let query = sqlx::query("SELECT * FROM apps WHERE id = ?").bind(id.as_str());
    let row = query.fetch_optional(from).await.map_err(failed)?.ok_or_else(missing)?;
    read(&row).map_err(failed)
}

pub(super) async fn by_name(from: impl SqliteExecutor<'_>, name: &str) -> Result<App, Fault> {
    let query = sqlx::query("SELECT * FROM apps WHERE name = ?").bind(name);
    let row = query.fetch_optional(from).await.map_err(failed)?.ok_or_else(missing)?;
    read(&row).map_err(failed)
}

pub(super) async fn list(from: &SqlitePool, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault> {
    let query = sqlx::query(
        "SELECT * FROM apps WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR name > ?2) ORDER BY name LIMIT ?3",
    )
    .bind(filter.name.as_deref())
    .bind(page.after.as_deref())
    .bind(page.limit);
    let rows = query.fetch_all(from).await.map_err(failed)?;
    let apps = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    Ok(page_of(apps, page, |app| &app.name))
}

pub(super) async fn create(store: &Store, app: App) -> Result<App, Fault> {
    let mut transaction = store.write().await?;
    sqlx::query(
        "INSERT INTO apps (id, name, config, annotations, syslog_url, created_at, updated_at, shape) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(app.id.as_str())
    .bind(&app.name)
    .bind(column::config_text(&app.config))
    .bind(column::annotations_text(&app.annotations))
    .bind(&app.syslog_url)
    .bind(app.created_at.to_string())
    .bind(app.updated_at.to_string())
    .bind(&app.shape)
    .execute(&mut *transaction)
    .await
    .map_err(failed_or_conflict(TAKEN))?;
    transaction.commit().await.map_err(failed)?;
    Ok(app)
}

pub(super) async fn update(store: &Store, id: &AppId, change: Change<App>) -> Result<App, Fault> {
    let mut transaction = store.write().await?;
    let before = by_id(&mut *transaction, id).await?;
    let app = change(before.clone())?;
    if app == before {
        return Ok(app);
    }
    sqlx::query(
        "UPDATE apps SET name = ?, config = ?, annotations = ?, syslog_url = ?, updated_at = ?, shape = ? WHERE id = ?",
    )
    .bind(&app.name)
    .bind(column::config_text(&app.config))
    .bind(column::annotations_text(&app.annotations))
    .bind(&app.syslog_url)
    .bind(app.updated_at.to_string())
    .bind(&app.shape)
    .bind(id.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(failed_or_conflict(TAKEN))?;
    transaction.commit().await.map_err(failed)?;
    Ok(app)
}

/// Its functions and triggers go by their foreign keys.
pub(super) async fn delete(store: &Store, id: &AppId) -> Result<(), Fault> {
    let query = sqlx::query("DELETE FROM apps WHERE id = ?").bind(id.as_str());
    let done = query.execute(&store.writer).await.map_err(failed)?;
    if done.rows_affected() == 0 { Err(missing()) } else { Ok(()) }
}
