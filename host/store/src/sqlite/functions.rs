//! Functions in their table.

use super::{Store, apps, column, failed, failed_or_conflict, page_of};
use remuda_core::port::{Change, FnFilter, Page, PageOf};
use remuda_core::{AppId, Fault, FnId, Function, MemoryMb};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteExecutor, SqlitePool};

const TAKEN: &str = "Fn with specified name already exists";

fn missing() -> Fault {
    Fault::not_found("Fn not found")
}

fn read(row: &SqliteRow) -> Result<Function, sqlx::Error> {
    Ok(Function {
        id: FnId::new(column::text(row, "id")?),
        name: column::text(row, "name")?,
        app_id: AppId::new(column::text(row, "app_id")?),
        image: column::text(row, "image")?,
        memory: MemoryMb(column::number(row, "memory")?),
        timeout_s: column::number(row, "timeout")?,
        idle_timeout_s: column::number(row, "idle_timeout")?,
        config: column::config(row)?,
        annotations: column::annotations(row)?,
        shape: column::text(row, "shape")?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

/// SQLite's integers have a sign; the rules keep memory far below it.
fn memory(function: &Function) -> i64 {
    i64::try_from(function.memory.0).unwrap_or(i64::MAX)
}

pub(super) async fn by_id(from: impl SqliteExecutor<'_>, id: &FnId) -> Result<Function, Fault> {
    let query = sqlx::query("SELECT * FROM fns WHERE id = ?").bind(id.as_str());
    let row = query.fetch_optional(from).await.map_err(failed)?.ok_or_else(missing)?;
    read(&row).map_err(failed)
}

pub(super) async fn list(
    from: &SqlitePool,
    filter: &FnFilter,
    page: &Page,
) -> Result<PageOf<Function>, Fault> {
    let query = sqlx::query(
        "SELECT * FROM fns WHERE app_id = ?1 AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR name > ?3) \
         ORDER BY name LIMIT ?4",
    )
    .bind(filter.app_id.as_str())
    .bind(filter.name.as_deref())
    .bind(page.after.as_deref())
    .bind(page.limit);
    let rows = query.fetch_all(from).await.map_err(failed)?;
    let functions = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    Ok(page_of(functions, page, |function| &function.name))
}

pub(super) async fn create(store: &Store, function: Function) -> Result<Function, Fault> {
    let mut transaction = store.write().await?;
    apps::by_id(&mut *transaction, &function.app_id).await?;
    sqlx::query(
        "INSERT INTO fns (id, name, app_id, image, memory, timeout, idle_timeout, config, annotations, created_at, \
         updated_at, shape) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(function.id.as_str())
    .bind(&function.name)
    .bind(function.app_id.as_str())
    .bind(&function.image)
    .bind(memory(&function))
    .bind(function.timeout_s)
    .bind(function.idle_timeout_s)
    .bind(column::config_text(&function.config))
    .bind(column::annotations_text(&function.annotations))
    .bind(function.created_at.to_string())
    .bind(function.updated_at.to_string())
    .bind(&function.shape)
    .execute(&mut *transaction)
    .await
    .map_err(failed_or_conflict(TAKEN))?;
    transaction.commit().await.map_err(failed)?;
    Ok(function)
}

pub(super) async fn update(store: &Store, id: &FnId, change: Change<Function>) -> Result<Function, Fault> {
    let mut transaction = store.write().await?;
    let before = by_id(&mut *transaction, id).await?;
    let function = change(before.clone())?;
    if function == before {
        return Ok(function);
    }
    sqlx::query(
        "UPDATE fns SET name = ?, image = ?, memory = ?, timeout = ?, idle_timeout = ?, config = ?, annotations = ?, \
         updated_at = ?, shape = ? WHERE id = ?",
    )
    .bind(&function.name)
    .bind(&function.image)
    .bind(memory(&function))
    .bind(function.timeout_s)
    .bind(function.idle_timeout_s)
    .bind(column::config_text(&function.config))
    .bind(column::annotations_text(&function.annotations))
    .bind(function.updated_at.to_string())
    .bind(&function.shape)
    .bind(id.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(failed_or_conflict(TAKEN))?;
    transaction.commit().await.map_err(failed)?;
    Ok(function)
}

/// Its triggers go by their foreign key.
pub(super) async fn delete(store: &Store, id: &FnId) -> Result<(), Fault> {
    let query = sqlx::query("DELETE FROM fns WHERE id = ?").bind(id.as_str());
    let done = query.execute(&store.writer).await.map_err(failed)?;
    if done.rows_affected() == 0 { Err(missing()) } else { Ok(()) }
}
