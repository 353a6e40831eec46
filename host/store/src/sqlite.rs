//! The catalogue in SQLite: one connection writes, several read.

mod apps;
mod column;
mod functions;
mod migrations;
mod opening;
mod triggers;

use async_trait::async_trait;
use remuda_core::port::{AppFilter, Catalog, Change, Definitions, FnFilter, Page, PageOf, TriggerFilter};
use remuda_core::{App, AppId, Fault, FnId, Function, Kind, Trigger, TriggerId};
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::sync::Arc;
use std::time::Duration;

/// An open database.
///
/// Writing takes SQLite's write lock at the start of each transaction, so what a transaction reads stays true until
/// it commits, in other processes too.
#[derive(Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    operation_timeout: Duration,
}

impl Store {
    /// Finishes what is being done and closes the connections; operations that come later fail.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.within(async {
            sqlx::query("SELECT 1").execute(&self.readers).await.map_err(failed)?;
            Ok(())
        })
        .await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::time::timeout(self.operation_timeout, work).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} ms", self.operation_timeout.as_millis());
            Err(Fault::service(Kind::Unavailable, "the database is not available").caused_by(why))
        })
    }

    /// A transaction that writes; it rolls back when dropped.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, Fault> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
    }
}

/// What a failure of the database is told as: one that passes by itself, or one of ours.
fn failed(error: sqlx::Error) -> Fault {
    let busy = |code: &str| code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6));
    let passing = match &error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(inner) => inner.code().is_some_and(|code| busy(&code)),
        _ => false,
    };
    if passing {
        return Fault::service(Kind::Unavailable, "the database is not available").caused_by(error);
    }
    Fault::internal(error)
}

fn conflict(message: &'static str) -> Fault {
    Fault::user(Kind::Conflict, message)
}

/// As [`failed`], but a broken uniqueness is the conflict that `message` tells of.
fn failed_or_conflict(message: &'static str) -> impl FnOnce(sqlx::Error) -> Fault {
    move |error| match &error {
        sqlx::Error::Database(inner) if inner.is_unique_violation() => conflict(message),
        _ => failed(error),
    }
}

/// A full page has a next one.
fn page_of<T>(items: Vec<T>, page: &Page, name: impl Fn(&T) -> &str) -> PageOf<T> {
    let is_full = items.len() >= page.limit as usize;
    let next = if is_full { items.last().map(|item| name(item).to_owned()) } else { None };
    PageOf { items, next }
}

#[async_trait]
impl Definitions for Store {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        self.within(async { apps::by_id(&self.readers, id).await.map(Arc::new) }).await
    }
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        self.within(async { apps::by_name(&self.readers, name).await.map(Arc::new) }).await
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        self.within(async { functions::by_id(&self.readers, id).await.map(Arc::new) }).await
    }
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        self.within(async { triggers::by_source(&self.readers, app, source).await.map(Arc::new) }).await
    }
}

#[async_trait]
impl Catalog for Store {
    async fn create_app(&self, app: App) -> Result<App, Fault> {
        self.within(apps::create(self, app)).await
    }
    async fn update_app(&self, id: &AppId, change: Change<App>) -> Result<App, Fault> {
        self.within(apps::update(self, id, change)).await
    }
    async fn delete_app(&self, id: &AppId) -> Result<(), Fault> {
        self.within(apps::delete(self, id)).await
    }
    async fn list_apps(&self, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault> {
        self.within(apps::list(&self.readers, filter, page)).await
    }

    async fn create_function(&self, function: Function) -> Result<Function, Fault> {
        self.within(functions::create(self, function)).await
    }
    async fn update_function(&self, id: &FnId, change: Change<Function>) -> Result<Function, Fault> {
        self.within(functions::update(self, id, change)).await
    }
    async fn delete_function(&self, id: &FnId) -> Result<(), Fault> {
        self.within(functions::delete(self, id)).await
    }
    async fn list_functions(&self, filter: &FnFilter, page: &Page) -> Result<PageOf<Function>, Fault> {
        self.within(functions::list(&self.readers, filter, page)).await
    }

    async fn create_trigger(&self, trigger: Trigger) -> Result<Trigger, Fault> {
        self.within(triggers::create(self, trigger)).await
    }
    async fn trigger(&self, id: &TriggerId) -> Result<Trigger, Fault> {
        self.within(triggers::by_id(&self.readers, id)).await
    }
    async fn update_trigger(&self, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault> {
        self.within(triggers::update(self, id, change)).await
    }
    async fn delete_trigger(&self, id: &TriggerId) -> Result<(), Fault> {
        self.within(triggers::delete(self, id)).await
    }
    async fn list_triggers(&self, filter: &TriggerFilter, page: &Page) -> Result<PageOf<Trigger>, Fault> {
        self.within(triggers::list(&self.readers, filter, page)).await
    }
}
