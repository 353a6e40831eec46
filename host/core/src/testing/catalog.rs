//! A catalogue in memory.

use crate::port::{AppFilter, Catalog, Change, Definitions, FnFilter, Page, PageOf, TriggerFilter};
use crate::{App, AppId, Fault, FnId, Function, Kind, Trigger, TriggerId};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps apps, functions and triggers in memory, by the same rules as a database.
#[derive(Debug, Default)]
pub struct FakeCatalog {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    apps: BTreeMap<AppId, App>,
    functions: BTreeMap<FnId, Function>,
    triggers: BTreeMap<TriggerId, Trigger>,
}

impl FakeCatalog {
    /// An empty catalogue.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn app(&self, id: &AppId) -> Result<&App, Fault> {
        self.apps.get(id).ok_or_else(|| Fault::not_found("App not found"))
    }
    fn function(&self, id: &FnId) -> Result<&Function, Fault> {
        self.functions.get(id).ok_or_else(|| Fault::not_found("Fn not found"))
    }
    fn trigger(&self, id: &TriggerId) -> Result<&Trigger, Fault> {
        self.triggers.get(id).ok_or_else(|| Fault::not_found("Trigger not found"))
    }
    /// Refuses a trigger that belongs to nothing, or collides with another one.
    fn admit(&self, trigger: &Trigger) -> Result<(), Fault> {
        self.app(&trigger.app_id)?;
        if self.function(&trigger.fn_id)?.app_id != trigger.app_id {
            return Err(Fault::invalid("Invalid Fn ID - not owned by specified app"));
        }
        let others = || {
            self.triggers.values().filter(|other| other.id != trigger.id && other.app_id == trigger.app_id)
        };
        if others().any(|other| other.kind == trigger.kind && other.source == trigger.source) {
            return Err(conflict("Trigger with the same type and source exists on this app"));
        }
        if others().any(|other| other.fn_id == trigger.fn_id && other.name == trigger.name) {
            return Err(conflict("Trigger already exists"));
        }
        Ok(())
    }
}

fn conflict(message: &'static str) -> Fault {
    Fault::user(Kind::Conflict, message)
}

fn page_of<T: Clone>(
    mut items: Vec<T>,
    page: &Page,
    name: impl Fn(&T) -> &str,
    id: impl Fn(&T) -> &str,
) -> PageOf<T> {
    items.sort_by(|a, b| (name(a), id(a)).cmp(&(name(b), id(b))));
    items.retain(|item| page.after.as_deref().is_none_or(|after| name(item) > after));
    let limit = page.limit as usize;
    items.truncate(limit);
    let next = if items.len() == limit { items.last().map(|item| name(item).to_owned()) } else { None };
    PageOf { items, next }
}

#[async_trait]
impl Definitions for FakeCatalog {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        self.tables().app(id).cloned().map(Arc::new)
    }

    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        let tables = self.tables();
        let found = tables.apps.values().find(|app| app.name == name);
        found.cloned().map(Arc::new).ok_or_else(|| Fault::not_found("App not found"))
    }

    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        self.tables().function(id).cloned().map(Arc::new)
    }

    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        let tables = self.tables();
        let found = tables.triggers.values().find(|trigger| {
            trigger.app_id == *app && trigger.kind == crate::trigger::HTTP && trigger.source == source
        });
        found.cloned().map(Arc::new).ok_or_else(|| Fault::not_found("Trigger not found"))
    }
}

#[async_trait]
impl Catalog for FakeCatalog {
    async fn create_app(&self, app: App) -> Result<App, Fault> {
        let mut tables = self.tables();
        if tables.apps.values().any(|other| other.name == app.name) {
            return Err(conflict("App already exists"));
        }
        tables.apps.insert(app.id.clone(), app.clone());
        Ok(app)
    }

    async fn update_app(&self, id: &AppId, change: Change<App>) -> Result<App, Fault> {
        let mut tables = self.tables();
        let app = change(tables.app(id)?.clone())?;
        tables.apps.insert(id.clone(), app.clone());
        Ok(app)
    }

    async fn delete_app(&self, id: &AppId) -> Result<(), Fault> {
        let mut tables = self.tables();
        tables.app(id)?;
        tables.apps.remove(id);
        tables.functions.retain(|_, function| function.app_id != *id);
        tables.triggers.retain(|_, trigger| trigger.app_id != *id);
        Ok(())
    }

    async fn list_apps(&self, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault> {
        let tables = self.tables();
        let wanted = |app: &&App| filter.name.as_ref().is_none_or(|name| *name == app.name);
        let apps = tables.apps.values().filter(wanted).cloned().collect();
        Ok(page_of(apps, page, |app| &app.name, |app| app.id.as_str()))
    }

    async fn create_function(&self, function: Function) -> Result<Function, Fault> {
        let mut tables = self.tables();
        tables.app(&function.app_id)?;
        let same = |other: &Function| other.app_id == function.app_id && other.name == function.name;
        if tables.functions.values().any(same) {
            return Err(conflict("Fn with specified name already exists"));
        }
        tables.functions.insert(function.id.clone(), function.clone());
        Ok(function)
    }

    async fn update_function(&self, id: &FnId, change: Change<Function>) -> Result<Function, Fault> {
        let mut tables = self.tables();
        let function = change(tables.function(id)?.clone())?;
        tables.functions.insert(id.clone(), function.clone());
        Ok(function)
    }

    async fn delete_function(&self, id: &FnId) -> Result<(), Fault> {
        let mut tables = self.tables();
        tables.function(id)?;
        tables.functions.remove(id);
        tables.triggers.retain(|_, trigger| trigger.fn_id != *id);
        Ok(())
    }

    async fn list_functions(&self, filter: &FnFilter, page: &Page) -> Result<PageOf<Function>, Fault> {
        let tables = self.tables();
        let wanted = |function: &&Function| {
            function.app_id == filter.app_id && filter.name.as_ref().is_none_or(|name| *name == function.name)
        };
        let functions = tables.functions.values().filter(wanted).cloned().collect();
        Ok(page_of(functions, page, |function| &function.name, |function| function.id.as_str()))
    }

    async fn create_trigger(&self, trigger: Trigger) -> Result<Trigger, Fault> {
        let mut tables = self.tables();
        tables.admit(&trigger)?;
        tables.triggers.insert(trigger.id.clone(), trigger.clone());
        Ok(trigger)
    }

    async fn trigger(&self, id: &TriggerId) -> Result<Trigger, Fault> {
        self.tables().trigger(id).cloned()
    }

    async fn update_trigger(&self, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault> {
        let mut tables = self.tables();
        let trigger = change(tables.trigger(id)?.clone())?;
        tables.admit(&trigger)?;
        tables.triggers.insert(id.clone(), trigger.clone());
        Ok(trigger)
    }

    async fn delete_trigger(&self, id: &TriggerId) -> Result<(), Fault> {
        let mut tables = self.tables();
        tables.trigger(id)?;
        tables.triggers.remove(id);
        Ok(())
    }

    async fn list_triggers(&self, filter: &TriggerFilter, page: &Page) -> Result<PageOf<Trigger>, Fault> {
        let tables = self.tables();
        let wanted = |trigger: &&Trigger| {
            trigger.app_id == filter.app_id
                && filter.fn_id.as_ref().is_none_or(|fn_id| *fn_id == trigger.fn_id)
                && filter.name.as_ref().is_none_or(|name| *name == trigger.name)
        };
        let triggers = tables.triggers.values().filter(wanted).cloned().collect();
        Ok(page_of(triggers, page, |trigger| &trigger.name, |trigger| trigger.id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    async fn fresh() -> (super::FakeCatalog, ()) {
        (super::FakeCatalog::new(), ())
    }

    crate::catalog_suite!(fresh);
}
