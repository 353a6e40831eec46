//! Apps in their table.

use super::listing::Listing;
use super::{Write, column};
use crate::failure::{Failure, Outcome, or_conflict};
use crate::session::{Row, Session};
use async_trait::async_trait;
use remuda_core::port::{AppFilter, Change, Changed, Check, Page, PageOf, Place};
use remuda_core::{App, AppId, AppSet, Fault};
use std::ops::Bound;

const TAKEN: &str = "App already exists";
/// How many names of apps one statement may carry.
const NAMES_AT_ONCE: usize = 100;

pub(super) fn missing() -> Failure {
    Fault::not_found("App not found").into()
}

/// The columns that [`read`] reads, by name: another release may have added more.
const COLUMNS: &str = "id, name, config, annotations, syslog_url, shape, created_at, updated_at";

fn read(row: &Row) -> Result<App, sqlx::Error> {
    Ok(App {
        id: AppId::new(row.text("id")?),
        name: row.text("name")?,
        config: column::config(row)?,
        annotations: column::annotations(row)?,
        syslog_url: row.text("syslog_url")?,
        shape: row.text("shape")?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}

async fn one(session: &mut dyn Session, statement: &str, value: &str) -> Outcome<App> {
    let row = session.row(statement, &[value.into()]).await?.ok_or_else(missing)?;
    Ok(read(&row)?)
}

pub(crate) async fn by_id(session: &mut dyn Session, id: &AppId) -> Outcome<App> {
    one(session, &format!("SELECT {COLUMNS} FROM apps WHERE id = ?"), id.as_str()).await
}

pub(crate) async fn by_name(session: &mut dyn Session, name: &str) -> Outcome<App> {
    one(session, &format!("SELECT {COLUMNS} FROM apps WHERE name = ?"), name).await
}

async fn locked(session: &mut dyn Session, id: &AppId) -> Outcome<App> {
    one(session, &format!("SELECT {COLUMNS} FROM apps WHERE id = ? FOR UPDATE"), id.as_str()).await
}

fn place(app: &App) -> Place {
    Place { name: app.name.clone(), id: Some(app.id.as_str().to_owned()) }
}

pub(crate) async fn list(session: &mut dyn Session, filter: &AppFilter, page: &Page) -> Outcome<PageOf<App>> {
    let listing = || Listing::of("apps", COLUMNS).only("name", filter.name.as_deref());
    let AppSet::Some(names) = &filter.within else {
        return listing().page(session, page, read, place).await;
    };
    // Names come in the order of the list, so that pages are filled from as many of them as it takes.
    let from = page.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Included(after.name.clone()));
    let candidates = names.range::<String, _>((from, Bound::Unbounded)).map(String::as_str);
    let candidates: Vec<&str> = candidates.filter(|name| !name.contains('\0')).collect();
    let mut found = PageOf { items: Vec::new(), next: None };
    for some in candidates.chunks(NAMES_AT_ONCE) {
        let room = Page { after: page.after.clone(), limit: page.limit - found.items.len() as u32 };
        let more = listing().one_of("name", some).page(session, &room, read, place).await?;
        found.items.extend(more.items);
        if more.next.is_some() {
            found.next = more.next;
            break;
        }
    }
    Ok(found)
}

fn told_of(app: &App) -> Changed {
    Changed::App { id: app.id.clone(), name: app.name.clone() }
}

/// Stores a new app.
pub(crate) struct Create(pub(crate) App);

#[async_trait]
impl Write for Create {
    type Output = App;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<App> {
        let app = &self.0;
        let statement = "INSERT INTO apps (id, name, config, annotations, syslog_url, created_at, updated_at, shape, \
                         lb_group) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = [
            app.id.as_str().into(),
            (&app.name).into(),
            column::config_text(&app.config).into(),
            column::annotations_text(&app.annotations).into(),
            (&app.syslog_url).into(),
            app.created_at.to_string().into(),
            app.updated_at.to_string().into(),
            (&app.shape).into(),
            column::group_text(&app.config).into(),
        ];
        session.execute(statement, &values).await.map_err(or_conflict(TAKEN))?;
        told.push(told_of(app));
        Ok(app.clone())
    }
}

/// Changes an app.
pub(crate) struct Update {
    /// Which.
    pub(crate) id: AppId,
    /// What becomes of it.
    pub(crate) change: Change<App>,
}

#[async_trait]
impl Write for Update {
    type Output = App;

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<App> {
        let before = locked(session, &self.id).await?;
        let app = (self.change)(before.clone())?;
        if app == before {
            return Ok(app);
        }
        let statement = "UPDATE apps SET name = ?, config = ?, annotations = ?, syslog_url = ?, updated_at = ?, \
                         shape = ?, lb_group = ? WHERE id = ?";
        let values = [
            (&app.name).into(),
            column::config_text(&app.config).into(),
            column::annotations_text(&app.annotations).into(),
            (&app.syslog_url).into(),
            app.updated_at.to_string().into(),
            (&app.shape).into(),
            column::group_text(&app.config).into(),
            self.id.as_str().into(),
        ];
        session.execute(statement, &values).await.map_err(or_conflict(TAKEN))?;
        told.push(told_of(&app));
        Ok(app)
    }
}

/// Removes an app; its functions and triggers go by their foreign keys.
pub(crate) struct Delete {
    /// Which.
    pub(crate) id: AppId,
    /// Whether it may be.
    pub(crate) check: Check<App>,
}

#[async_trait]
impl Write for Delete {
    type Output = ();

    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<()> {
        let app = locked(session, &self.id).await?;
        (self.check)(&app)?;
        session.execute("DELETE FROM apps WHERE id = ?", &[self.id.as_str().into()]).await?;
        told.push(told_of(&app));
        Ok(())
    }
}
