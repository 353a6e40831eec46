//! Triggers in their table.

use super::listing::Listing;
use super::{Write, apps, column, functions};
use crate::failure::{Failure, Outcome, conflict, or_again};
use crate::session::{Row, Session};
use async_trait::async_trait;
use remuda_core::port::{Change, Changed, Page, PageOf, Place, TriggerFilter};
use remuda_core::{AppId, Fault, FnId, Trigger, TriggerId};

const NAME_TAKEN: &str = "Trigger already exists";
const EXISTS: &str = "SELECT id FROM triggers WHERE id = ?";
const SOURCE_TAKEN: &str = "Trigger with the same type and source exists on this app";

fn missing() -> Failure {
    Fault::not_found("Trigger not found").into()
}

/// The columns that [`read`] reads, by name: another release may have added more.
const COLUMNS: &str = "id, name, app_id, fn_id, type, source, annotations, created_at, updated_at";

fn read(row: &Row) -> Result<Trigger, sqlx::Error> {
    Ok(Trigger {
        id: TriggerId::new(row.text("id")?),
        name: row.text("name")?,
        app_id: AppId::new(row.text("app_id")?),
        fn_id: FnId::new(row.text("fn_id")?),
        kind: row.text("type")?,
        source: row.text("source")?,
        annotations: column::annotations(row)?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

async fn one(session: &mut dyn Session, statement: &str, id: &TriggerId) -> Outcome<Trigger> {
    let row = session.row(statement, &[id.as_str().into()]).await?.ok_or_else(missing)?;
    Ok(read(&row)?)
}

pub(crate) async fn by_id(session: &mut dyn Session, id: &TriggerId) -> Outcome<Trigger> {
    one(session, &format!("SELECT {COLUMNS} FROM triggers WHERE id = ?"), id).await
}

async fn locked(session: &mut dyn Session, id: &TriggerId) -> Outcome<Trigger> {
    one(session, &format!("SELECT {COLUMNS} FROM triggers WHERE id = ? FOR UPDATE"), id).await
}

pub(crate) async fn by_source(session: &mut dyn Session, app: &AppId, source: &str) -> Outcome<Trigger> {
    let statement = &format!("SELECT {COLUMNS} FROM triggers WHERE app_id = ? AND type = ? AND source = ?");
    let values = [app.as_str().into(), remuda_core::trigger::HTTP.into(), source.into()];
    let row = session.row(statement, &values).await?.ok_or_else(missing)?;
    Ok(read(&row)?)
}

pub(crate) async fn list(
    session: &mut dyn Session,
    filter: &TriggerFilter,
    page: &Page,
) -> Outcome<PageOf<Trigger>> {
    let place =
        |trigger: &Trigger| Place { name: trigger.name.clone(), id: Some(trigger.id.as_str().to_owned()) };
    let listing = Listing::of("triggers", COLUMNS).only("app_id", Some(filter.app_id.as_str()));
    let listing = listing.only("fn_id", filter.fn_id.as_ref().map(FnId::as_str));
    listing.only("name", filter.name.as_deref()).page(session, page, read, place).await
}

/// Refuses a trigger that belongs to nothing, or collides with another one.
async fn admit(session: &mut dyn Session, trigger: &Trigger) -> Outcome<()> {
    apps::by_id(session, &trigger.app_id).await?;
    if functions::by_id(session, &trigger.fn_id).await?.app_id != trigger.app_id {
        return Err(Fault::invalid("Invalid Fn ID - not owned by specified app").into());
    }
    let own = trigger.id.as_str();
    let same_source = "SELECT id FROM triggers WHERE app_id = ? AND type = ? AND source = ? AND id <> ?";
    let values =
        [trigger.app_id.as_str().into(), (&trigger.kind).into(), (&trigger.source).into(), own.into()];
    if session.row(same_source, &values).await?.is_some() {
        return Err(conflict(SOURCE_TAKEN));
    }
    let same_name = "SELECT id FROM triggers WHERE app_id = ? AND fn_id = ? AND name = ? AND id <> ?";
    let values =
        [trigger.app_id.as_str().into(), trigger.fn_id.as_str().into(), (&trigger.name).into(), own.into()];
    if session.row(same_name, &values).await?.is_some() {
        return Err(conflict(NAME_TAKEN));
    }
    Ok(())
}

fn told_of(trigger: &Trigger) -> Changed {
    Changed::Trigger { app_id: trigger.app_id.clone(), source: trigger.source.clone() }
}

/// Stores a new trigger.
pub(crate) struct Create(pub(crate) Trigger);

#[async_trait]
impl Write for Create {
    type Output = Trigger;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<Trigger> {
        let trigger = &self.0;
        admit(session, trigger).await?;
        if session.row(EXISTS, &[trigger.id.as_str().into()]).await?.is_some() {
            return Err(conflict(NAME_TAKEN));
        }
        let statement = "INSERT INTO triggers (id, name, app_id, fn_id, created_at, updated_at, type, source, \
                         annotations) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = [
            trigger.id.as_str().into(),
            (&trigger.name).into(),
            trigger.app_id.as_str().into(),
            trigger.fn_id.as_str().into(),
            trigger.created_at.to_string().into(),
            trigger.updated_at.to_string().into(),
            (&trigger.kind).into(),
            (&trigger.source).into(),
            column::annotations_text(&trigger.annotations).into(),
        ];
        session.execute(statement, &values).await.map_err(or_again)?;
        told.push(told_of(trigger));
        Ok(trigger.clone())
    }
}

/// Changes a trigger.
pub(crate) struct Update {
    /// Which.
    pub(crate) id: TriggerId,
    /// What becomes of it.
    pub(crate) change: Change<Trigger>,
}

#[async_trait]
impl Write for Update {
    type Output = Trigger;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<Trigger> {
        let before = locked(session, &self.id).await?;
        let trigger = (self.change)(before.clone())?;
        if trigger == before {
            return Ok(trigger);
        }
        admit(session, &trigger).await?;
        let statement = "UPDATE triggers SET name = ?, fn_id = ?, source = ?, annotations = ?, updated_at = ? \
                         WHERE id = ?";
        let values = [
            (&trigger.name).into(),
            trigger.fn_id.as_str().into(),
            (&trigger.source).into(),
            column::annotations_text(&trigger.annotations).into(),
            trigger.updated_at.to_string().into(),
            self.id.as_str().into(),
        ];
        session.execute(statement, &values).await.map_err(or_again)?;
        if before.source != trigger.source {
            told.push(told_of(&before));
        }
        told.push(told_of(&trigger));
        Ok(trigger)
    }
}

/// Removes a trigger.
pub(crate) struct Delete(pub(crate) TriggerId);

#[async_trait]
impl Write for Delete {
    type Output = ();

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<()> {
        let trigger = locked(session, &self.0).await?;
        session.execute("DELETE FROM triggers WHERE id = ?", &[self.0.as_str().into()]).await?;
        told.push(told_of(&trigger));
        Ok(())
    }
}
