//! Where apps, functions and triggers are kept.

use crate::{App, AppId, AppSet, Fault, FnId, Function, Trigger, TriggerId};
use async_trait::async_trait;
use std::sync::Arc;

/// What an invocation needs to know. A catalogue answers from its database; a load balancer asks an API node.
/// A missing thing is `Kind::NotFound` with `App not found`, `Fn not found` or `Trigger not found`.
#[async_trait]
pub trait Definitions: Send + Sync + 'static {
    /// The app with this id.
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault>;
    /// The app with this name.
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault>;
    /// The function with this id.
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault>;
    /// The HTTP trigger of an app whose source is exactly `source` (with its leading slash).
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault>;
}

/// A place in a list that is ordered by name and, where names repeat, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the last item before.
    pub name: String,
    /// Its id; `None` = behind every item of that name.
    pub id: Option<String>,
}

/// A part of a list, ordered by name and id, bytes compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Only what comes after this: the [`PageOf::next`] of the page before.
    pub after: Option<Place>,
    /// At most this many, 1 to 100.
    pub limit: u32,
}

/// Items of one page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageOf<T> {
    /// Ordered by name and id.
    pub items: Vec<T>,
    /// What to pass as [`Page::after`] for the next page; set whenever this one is full.
    pub next: Option<Place>,
}

/// Which apps to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppFilter {
    /// Only the app of exactly this name.
    pub name: Option<String>,
    /// Only apps of these names.
    pub within: AppSet,
}

/// Which functions to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FnFilter {
    /// Functions of this app.
    pub app_id: AppId,
    /// Only the function of exactly this name.
    pub name: Option<String>,
}

/// Which triggers to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerFilter {
    /// Triggers of this app.
    pub app_id: AppId,
    /// Only those that call this function.
    pub fn_id: Option<FnId>,
    /// Only those of exactly this name.
    pub name: Option<String>,
}

/// The catalogue of an API or full node. It stores what it is given: the rules about what may be stored are in
/// [`crate::catalog`], ids and times are the caller's. Names and sources that must be unique are kept unique here, in
/// one winner and one `Kind::Conflict`, with Fn's messages.
///
/// `update_*` replaces the stored thing by what `change` makes of it, in one transaction; a fault from `change`
/// changes nothing and is returned. Where a transaction must be tried again, `change` is asked again.
///
/// While the database is away every method answers `Kind::Unavailable`; what was answered so may have been stored or
/// not, and never in part.
#[async_trait]
pub trait Catalog: Definitions {
    /// Stores a new app.
    async fn create_app(&self, app: App) -> Result<App, Fault>;
    /// Changes an app.
    async fn update_app(&self, id: &AppId, change: Change<App>) -> Result<App, Fault>;
    /// Removes an app with its functions and triggers, if `check` allows it: a fault from `check`, which sees the app in
    /// the transaction that would remove it, leaves it as it is and is returned.
    async fn delete_app_if(&self, id: &AppId, check: Check<App>) -> Result<(), Fault>;
    /// Removes an app with its functions and triggers.
    async fn delete_app(&self, id: &AppId) -> Result<(), Fault> {
        self.delete_app_if(id, Arc::new(|_| Ok(()))).await
    }
    /// Lists apps.
    async fn list_apps(&self, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault>;

    /// Stores a new function; `Kind::NotFound` when its app is not there.
    async fn create_function(&self, function: Function) -> Result<Function, Fault>;
    /// Changes a function.
    async fn update_function(&self, id: &FnId, change: Change<Function>) -> Result<Function, Fault>;
    /// Removes a function with its triggers.
    async fn delete_function(&self, id: &FnId) -> Result<(), Fault>;
    /// Lists an app's functions; empty for an app that is not there.
    async fn list_functions(&self, filter: &FnFilter, page: &Page) -> Result<PageOf<Function>, Fault>;

    /// Stores a new trigger; `Kind::NotFound` when its app or function is not there, `Kind::Invalid` when the
    /// function is another app's.
    async fn create_trigger(&self, trigger: Trigger) -> Result<Trigger, Fault>;
    /// The trigger with this id.
    async fn trigger(&self, id: &TriggerId) -> Result<Trigger, Fault>;
    /// Changes a trigger.
    async fn update_trigger(&self, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault>;
    /// Removes a trigger.
    async fn delete_trigger(&self, id: &TriggerId) -> Result<(), Fault>;
    /// Lists an app's triggers; empty for an app that is not there.
    async fn list_triggers(&self, filter: &TriggerFilter, page: &Page) -> Result<PageOf<Trigger>, Fault>;
}

/// Whether something may be done to the stored thing.
pub type Check<T> = Arc<dyn Fn(&T) -> Result<(), Fault> + Send + Sync>;

/// What a change makes of the stored thing.
pub type Change<T> = Arc<dyn Fn(T) -> Result<T, Fault> + Send + Sync>;
