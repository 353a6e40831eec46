//! Functions in their table.

use super::listing::Listing;
use super::{Write, apps, column};
use crate::failure::{Failure, Outcome, is_dangling, or_conflict};
use crate::session::{Row, Session};
use async_trait::async_trait;
use remuda_core::port::{Change, Changed, FnFilter, Page, PageOf, Place};
use remuda_core::{AppId, Fault, FnId, Function, MemoryMb};

const TAKEN: &str = "Fn with specified name already exists";

fn missing() -> Failure {
    Fault::not_found("Fn not found").into()
}

/// The columns that [`read`] reads, by name: another release may have added more.
const COLUMNS: &str = "id, name, app_id, image, memory, timeout, idle_timeout, config, annotations, shape, created_at, updated_at";

fn read(row: &Row) -> Result<Function, sqlx::Error> {
    Ok(Function {
        id: FnId::new(row.text("id")?),
        name: row.text("name")?,
        app_id: AppId::new(row.text("app_id")?),
        image: row.text("image")?,
        memory: MemoryMb(column::number(row, "memory")?),
        timeout_s: column::number(row, "timeout")?,
        idle_timeout_s: column::number(row, "idle_timeout")?,
        config: column::config(row)?,
        annotations: column::annotations(row)?,
        shape: row.text("shape")?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

/// The databases' integers have a sign; the rules keep memory far below it.
fn memory(function: &Function) -> i64 {
    i64::try_from(function.memory.0).unwrap_or(i64::MAX)
}

async fn one(session: &mut dyn Session, statement: &str, id: &FnId) -> Outcome<Function> {
    let row = session.row(statement, &[id.as_str().into()]).await?.ok_or_else(missing)?;
    Ok(read(&row)?)
}

pub(crate) async fn by_id(session: &mut dyn Session, id: &FnId) -> Outcome<Function> {
    one(session, &format!("SELECT {COLUMNS} FROM fns WHERE id = ?"), id).await
}

async fn locked(session: &mut dyn Session, id: &FnId) -> Outcome<Function> {
    one(session, &format!("SELECT {COLUMNS} FROM fns WHERE id = ? FOR UPDATE"), id).await
}

pub(crate) async fn list(
    session: &mut dyn Session,
    filter: &FnFilter,
    page: &Page,
) -> Outcome<PageOf<Function>> {
    let place = |function: &Function| Place {
        name: function.name.clone(),
        id: Some(function.id.as_str().to_owned()),
    };
    let listing = Listing::of("fns", COLUMNS).only("app_id", Some(filter.app_id.as_str()));
    listing.only("name", filter.name.as_deref()).page(session, page, read, place).await
}

fn told_of(id: &FnId) -> Changed {
    Changed::Function { id: id.clone() }
}

/// Stores a new function. Its app is known to be there by the foreign key, which spares a question.
pub(crate) struct Create(pub(crate) Function);

#[async_trait]
impl Write for Create {
    type Output = Function;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<Function> {
        let function = &self.0;
        let statement = "INSERT INTO fns (id, name, app_id, image, memory, timeout, idle_timeout, config, annotations, \
                         created_at, updated_at, shape, lb_group) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = [
            function.id.as_str().into(),
            (&function.name).into(),
            function.app_id.as_str().into(),
            (&function.image).into(),
            memory(function).into(),
            function.timeout_s.into(),
            function.idle_timeout_s.into(),
            column::config_text(&function.config).into(),
            column::annotations_text(&function.annotations).into(),
            function.created_at.to_string().into(),
            function.updated_at.to_string().into(),
            (&function.shape).into(),
            column::group_text(&function.config).into(),
        ];
        let told_why = |error| if is_dangling(&error) { apps::missing() } else { or_conflict(TAKEN)(error) };
        session.execute(statement, &values).await.map_err(told_why)?;
        told.push(told_of(&function.id));
        Ok(function.clone())
    }
}

/// Changes a function.
pub(crate) struct Update {
    /// Which.
    pub(crate) id: FnId,
    /// What becomes of it.
    pub(crate) change: Change<Function>,
}

#[async_trait]
impl Write for Update {
    type Output = Function;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<Function> {
        let before = locked(session, &self.id).await?;
        let function = (self.change)(before.clone())?;
        if function == before {
            return Ok(function);
        }
        let statement = "UPDATE fns SET name = ?, image = ?, memory = ?, timeout = ?, idle_timeout = ?, config = ?, \
                         annotations = ?, updated_at = ?, shape = ?, lb_group = ? WHERE id = ?";
        let values = [
            (&function.name).into(),
            (&function.image).into(),
            memory(&function).into(),
            function.timeout_s.into(),
            function.idle_timeout_s.into(),
            column::config_text(&function.config).into(),
            column::annotations_text(&function.annotations).into(),
            function.updated_at.to_string().into(),
            (&function.shape).into(),
            column::group_text(&function.config).into(),
            self.id.as_str().into(),
        ];
        session.execute(statement, &values).await.map_err(or_conflict(TAKEN))?;
        told.push(told_of(&self.id));
        Ok(function)
    }
}

/// Removes a function; its triggers go by their foreign key.
pub(crate) struct Delete(pub(crate) FnId);

#[async_trait]
impl Write for Delete {
    type Output = ();

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<()> {
        locked(session, &self.0).await?;
        session.execute("DELETE FROM fns WHERE id = ?", &[self.0.as_str().into()]).await?;
        told.push(told_of(&self.0));
        Ok(())
    }
}
