//! A catalogue in memory.

use crate::access::Token;
use crate::catalog::groups::{self, Group};
use crate::port::{
    AppFilter, Catalog, Change, Changed, Changes, Check, Definitions, FnFilter, GroupUse, Groups, News, Page,
    PageOf, Place, TokenStore, Tokens, TriggerFilter,
};
use crate::{App, AppId, Fault, FnId, Function, GroupId, Kind, TokenId, Trigger, TriggerId};
use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt, poll_fn};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

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
    tokens: BTreeMap<TokenId, Token>,
    groups: BTreeMap<GroupId, Group>,
    watchers: Vec<Weak<Mutex<Inbox>>>,
}

/// What one watcher has not heard yet.
#[derive(Debug)]
struct Inbox {
    news: VecDeque<News>,
    reader: Option<Waker>,
}

fn put(inbox: &Mutex<Inbox>, things: Vec<Changed>) {
    let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
    inbox.news.push_back(News::Changed(things));
    inbox.reader.take().into_iter().for_each(Waker::wake);
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
    fn tell(&mut self, things: Vec<Changed>) {
        self.watchers.retain(|watcher| watcher.upgrade().map(|inbox| put(&inbox, things.clone())).is_some());
    }
    fn tell_of_app(&mut self, app: &App) {
        self.tell(vec![Changed::App { id: app.id.clone(), name: app.name.clone() }]);
    }
    fn tell_of_trigger(&mut self, trigger: &Trigger) {
        self.tell(vec![Changed::Trigger { app_id: trigger.app_id.clone(), source: trigger.source.clone() }]);
    }
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
    let is_after = |item: &T, place: &Place| match &place.id {
        Some(last) => (name(item), id(item)) > (place.name.as_str(), last.as_str()),
        None => name(item) > place.name.as_str(),
    };
    items.retain(|item| page.after.as_ref().is_none_or(|place| is_after(item, place)));
    let limit = page.limit as usize;
    items.truncate(limit);
    let next = if items.len() == limit {
        items.last().map(|item| Place { name: name(item).to_owned(), id: Some(id(item).to_owned()) })
    } else {
        None
    };
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
        tables.tell_of_app(&app);
        Ok(app)
    }

    async fn update_app(&self, id: &AppId, change: Change<App>) -> Result<App, Fault> {
        let mut tables = self.tables();
        let app = change(tables.app(id)?.clone())?;
        tables.apps.insert(id.clone(), app.clone());
        tables.tell_of_app(&app);
        Ok(app)
    }

    async fn delete_app_if(&self, id: &AppId, check: Check<App>) -> Result<(), Fault> {
        let mut tables = self.tables();
        let app = tables.app(id)?.clone();
        check(&app)?;
        tables.apps.remove(id);
        tables.tell_of_app(&app);
        tables.functions.retain(|_, function| function.app_id != *id);
        tables.triggers.retain(|_, trigger| trigger.app_id != *id);
        Ok(())
    }

    async fn list_apps(&self, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault> {
        let tables = self.tables();
        let wanted = |app: &&App| {
            filter.name.as_ref().is_none_or(|name| *name == app.name) && filter.within.contains(&app.name)
        };
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
        tables.tell(vec![Changed::Function { id: function.id.clone() }]);
        Ok(function)
    }

    async fn update_function(&self, id: &FnId, change: Change<Function>) -> Result<Function, Fault> {
        let mut tables = self.tables();
        let function = change(tables.function(id)?.clone())?;
        tables.functions.insert(id.clone(), function.clone());
        tables.tell(vec![Changed::Function { id: id.clone() }]);
        Ok(function)
    }

    async fn delete_function(&self, id: &FnId) -> Result<(), Fault> {
        let mut tables = self.tables();
        tables.function(id)?;
        tables.functions.remove(id);
        tables.tell(vec![Changed::Function { id: id.clone() }]);
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
        tables.tell_of_trigger(&trigger);
        Ok(trigger)
    }

    async fn trigger(&self, id: &TriggerId) -> Result<Trigger, Fault> {
        self.tables().trigger(id).cloned()
    }

    async fn update_trigger(&self, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault> {
        let mut tables = self.tables();
        let before = tables.trigger(id)?.clone();
        let trigger = change(before.clone())?;
        tables.admit(&trigger)?;
        tables.triggers.insert(id.clone(), trigger.clone());
        tables.tell_of_trigger(&before);
        tables.tell_of_trigger(&trigger);
        Ok(trigger)
    }

    async fn delete_trigger(&self, id: &TriggerId) -> Result<(), Fault> {
        let mut tables = self.tables();
        let trigger = tables.trigger(id)?.clone();
        tables.triggers.remove(id);
        tables.tell_of_trigger(&trigger);
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

#[async_trait]
impl Tokens for FakeCatalog {
    async fn token(&self, id: &TokenId) -> Result<Arc<Token>, Fault> {
        let tables = self.tables();
        tables.tokens.get(id).cloned().map(Arc::new).ok_or_else(|| Fault::not_found("Token not found"))
    }
}

#[async_trait]
impl TokenStore for FakeCatalog {
    async fn create_token(&self, token: Token) -> Result<Token, Fault> {
        let mut tables = self.tables();
        if tables.tokens.contains_key(&token.id) {
            return Err(conflict("Token already exists"));
        }
        tables.tokens.insert(token.id.clone(), token.clone());
        tables.tell(vec![Changed::Token { id: token.id.clone() }]);
        Ok(token)
    }

    async fn revoke_token(&self, id: &TokenId) -> Result<(), Fault> {
        let mut tables = self.tables();
        tables.tokens.remove(id).ok_or_else(|| Fault::not_found("Token not found"))?;
        tables.tell(vec![Changed::Token { id: id.clone() }]);
        Ok(())
    }

    async fn list_tokens(&self) -> Result<Vec<Token>, Fault> {
        Ok(self.tables().tokens.values().cloned().collect())
    }
}

#[async_trait]
impl Groups for FakeCatalog {
    async fn list_groups(&self) -> Result<Vec<Group>, Fault> {
        Ok(self.tables().groups.values().cloned().collect())
    }

    async fn put_group(&self, group: Group) -> Result<Group, Fault> {
        let mut tables = self.tables();
        if tables.groups.len() >= groups::MAX_LISTED && !tables.groups.contains_key(&group.id) {
            return Err(conflict("The list of groups is full"));
        }
        tables.groups.insert(group.id.clone(), group.clone());
        Ok(group)
    }

    async fn delete_group(&self, id: &GroupId) -> Result<(), Fault> {
        self.tables().groups.remove(id).map(drop).ok_or_else(|| Fault::not_found("Group not found"))
    }

    async fn group_use(&self, id: &GroupId) -> Result<GroupUse, Fault> {
        let tables = self.tables();
        let configs = tables.apps.values().map(|app| &app.config);
        let configs = configs.chain(tables.functions.values().map(|function| &function.config));
        let used: BTreeSet<&str> = configs.filter_map(groups::named).collect();
        Ok(GroupUse { is_used: used.contains(id.as_str()), distinct: used.len() as u64 })
    }
}

impl Changes for FakeCatalog {
    fn watch(&self) -> BoxStream<'static, News> {
        let inbox = Arc::new(Mutex::new(Inbox { news: [News::Began].into(), reader: None }));
        self.tables().watchers.push(Arc::downgrade(&inbox));
        poll_fn(move |context| {
            let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
            inbox.reader = Some(context.waker().clone());
            inbox.news.pop_front().map_or(Poll::Pending, |news| Poll::Ready(Some(news)))
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    async fn fresh() -> (super::FakeCatalog, ()) {
        (super::FakeCatalog::new(), ())
    }

    crate::catalog_suite!(fresh);
}
