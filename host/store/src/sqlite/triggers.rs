//! Triggers in their table.

use super::{Store, apps, column, conflict, failed, failed_or_conflict, functions, page_of};
use remuda_core::port::{Change, Page, PageOf, TriggerFilter};
use remuda_core::{AppId, Fault, FnId, Trigger, TriggerId};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};

const NAME_TAKEN: &str = "Trigger already exists";
const SOURCE_TAKEN: &str = "Trigger with the same type and source exists on this app";

fn missing() -> Fault {
    Fault::not_found("Trigger not found")
}

fn read(row: &SqliteRow) -> Result<Trigger, sqlx::Error> {
    Ok(Trigger {
        id: TriggerId::new(column::text(row, "id")?),
        name: column::text(row, "name")?,
        app_id: AppId::new(column::text(row, "app_id")?),
        fn_id: FnId::new(column::text(row, "fn_id")?),
        kind: column::text(row, "type")?,
        source: column::text(row, "source")?,
        annotations: column::annotations(row)?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

pub(super) async fn by_id(from: impl SqliteExecutor<'_>, id: &TriggerId) -> Result<Trigger, Fault> {
    let query = sqlx::query("SELECT * FROM triggers WHERE id = ?").bind(id.as_str());
    let row = query.fetch_optional(from).await.map_err(failed)?.ok_or_else(missing)?;
    read(&row).map_err(failed)
}

pub(super) async fn by_source(from: &SqlitePool, app: &AppId, source: &str) -> Result<Trigger, Fault> {
    let query = sqlx::query("SELECT * FROM triggers WHERE app_id = ? AND type = ? AND source = ?")
        .bind(app.as_str())
        .bind(remuda_core::trigger::HTTP)
        .bind(source);
    let row = query.fetch_optional(from).await.map_err(failed)?.ok_or_else(missing)?;
    read(&row).map_err(failed)
}

pub(super) async fn list(
    from: &SqlitePool,
    filter: &TriggerFilter,
    page: &Page,
) -> Result<PageOf<Trigger>, Fault> {
    let query = sqlx::query(
        "SELECT * FROM triggers WHERE app_id = ?1 AND (?2 IS NULL OR fn_id = ?2) AND (?3 IS NULL OR name = ?3) \
         AND (?4 IS NULL OR name > ?4) ORDER BY name, id LIMIT ?5",
    )
    .bind(filter.app_id.as_str())
    .bind(filter.fn_id.as_ref().map(FnId::as_str))
    .bind(filter.name.as_deref())
    .bind(page.after.as_deref())
    .bind(page.limit);
    let rows = query.fetch_all(from).await.map_err(failed)?;
    let triggers = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    Ok(page_of(triggers, page, |trigger| &trigger.name))
}

/// Refuses a trigger that belongs to nothing, or collides with another one.
async fn admit(within: &mut SqliteConnection, trigger: &Trigger) -> Result<(), Fault> {
    apps::by_id(&mut *within, &trigger.app_id).await?;
    if functions::by_id(&mut *within, &trigger.fn_id).await?.app_id != trigger.app_id {
        return Err(Fault::invalid("Invalid Fn ID - not owned by specified app"));
    }
    let same_source =
        sqlx::query("SELECT 1 FROM triggers WHERE app_id = ? AND type = ? AND source = ? AND id <> ?")
            .bind(trigger.app_id.as_str())
            .bind(&trigger.kind)
            .bind(&trigger.source)
            .bind(trigger.id.as_str());
    if same_source.fetch_optional(within).await.map_err(failed)?.is_some() {
        return Err(conflict(SOURCE_TAKEN));
    }
    Ok(())
}

pub(super) async fn create(store: &Store, trigger: Trigger) -> Result<Trigger, Fault> {
    let mut transaction = store.write().await?;
    admit(&mut transaction, &trigger).await?;
    sqlx::query(
        "INSERT INTO triggers (id, name, app_id, fn_id, created_at, updated_at, type, source, annotations) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(trigger.id.as_str())
    .bind(&trigger.name)
    .bind(trigger.app_id.as_str())
    .bind(trigger.fn_id.as_str())
    .bind(trigger.created_at.to_string())
    .bind(trigger.updated_at.to_string())
    .bind(&trigger.kind)
    .bind(&trigger.source)
    .bind(column::annotations_text(&trigger.annotations))
    .execute(&mut *transaction)
    .await
    .map_err(failed_or_conflict(NAME_TAKEN))?;
    transaction.commit().await.map_err(failed)?;
    Ok(trigger)
}

pub(super) async fn update(store: &Store, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault> {
    let mut transaction = store.write().await?;
    let before = by_id(&mut *transaction, id).await?;
    let trigger = change(before.clone())?;
    if trigger == before {
        return Ok(trigger);
    }
    admit(&mut transaction, &trigger).await?;
    sqlx::query(
        "UPDATE triggers SET name = ?, fn_id = ?, source = ?, annotations = ?, updated_at = ? WHERE id = ?",
    )
    .bind(&trigger.name)
    .bind(trigger.fn_id.as_str())
    .bind(&trigger.source)
    .bind(column::annotations_text(&trigger.annotations))
    .bind(trigger.updated_at.to_string())
    .bind(id.as_str())
    .execute(&mut *transaction)
    .await
    .map_err(failed_or_conflict(NAME_TAKEN))?;
    transaction.commit().await.map_err(failed)?;
    Ok(trigger)
}

pub(super) async fn delete(store: &Store, id: &TriggerId) -> Result<(), Fault> {
    let query = sqlx::query("DELETE FROM triggers WHERE id = ?").bind(id.as_str());
    let done = query.execute(&store.writer).await.map_err(failed)?;
    if done.rows_affected() == 0 { Err(missing()) } else { Ok(()) }
}
