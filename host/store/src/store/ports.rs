//! The ports that a store implements: each method is a read or a write of a table.

use super::Store;
use crate::table::{apps, functions, groups, tokens, triggers};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use remuda_core::access::Token;
use remuda_core::catalog::groups::Group;
use remuda_core::port::{
    AppFilter, Catalog, Change, Changes, Check, Definitions, FnFilter, GroupUse, Groups, News, Page, PageOf,
    TokenStore, Tokens, TriggerFilter,
};
use remuda_core::{App, AppId, Fault, FnId, Function, GroupId, TokenId, Trigger, TriggerId};
use std::sync::Arc;

/// How often a read is tried that ends with its connection, or for what was prepared on it: every other connection may
/// be in the same state.
const ATTEMPTS: u32 = 12;

/// Reads with a connection.
macro_rules! read {
    ($store:expr, $read:path $(, $with:expr)*) => {
        $store.within(async {
            let mut attempt = 1;
            loop {
                let mut lease = $store.reader().await?;
                let found = $read(lease.session()? $(, $with)*).await;
                lease.rest_after(&found);
                match found {
                    Err(failure) if attempt < ATTEMPTS && failure.was_the_connections() => attempt += 1,
                    found => break found,
                }
            }
        })
    };
}

#[async_trait]
impl Definitions for Store {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        read!(self, apps::by_id, id).await.map(Arc::new)
    }
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        read!(self, apps::by_name, name).await.map(Arc::new)
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        read!(self, functions::by_id, id).await.map(Arc::new)
    }
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        read!(self, triggers::by_source, app, source).await.map(Arc::new)
    }
}

#[async_trait]
impl Catalog for Store {
    async fn create_app(&self, app: App) -> Result<App, Fault> {
        self.write(apps::Create(app)).await
    }
    async fn update_app(&self, id: &AppId, change: Change<App>) -> Result<App, Fault> {
        self.write(apps::Update { id: id.clone(), change }).await
    }
    async fn delete_app_if(&self, id: &AppId, check: Check<App>) -> Result<(), Fault> {
        self.write(apps::Delete { id: id.clone(), check }).await
    }
    async fn list_apps(&self, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault> {
        read!(self, apps::list, filter, page).await
    }

    async fn create_function(&self, function: Function) -> Result<Function, Fault> {
        self.write(functions::Create(function)).await
    }
    async fn update_function(&self, id: &FnId, change: Change<Function>) -> Result<Function, Fault> {
        self.write(functions::Update { id: id.clone(), change }).await
    }
    async fn delete_function(&self, id: &FnId) -> Result<(), Fault> {
        self.write(functions::Delete(id.clone())).await
    }
    async fn list_functions(&self, filter: &FnFilter, page: &Page) -> Result<PageOf<Function>, Fault> {
        read!(self, functions::list, filter, page).await
    }

    async fn create_trigger(&self, trigger: Trigger) -> Result<Trigger, Fault> {
        self.write(triggers::Create(trigger)).await
    }
    async fn trigger(&self, id: &TriggerId) -> Result<Trigger, Fault> {
        read!(self, triggers::by_id, id).await
    }
    async fn update_trigger(&self, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault> {
        self.write(triggers::Update { id: id.clone(), change }).await
    }
    async fn delete_trigger(&self, id: &TriggerId) -> Result<(), Fault> {
        self.write(triggers::Delete(id.clone())).await
    }
    async fn list_triggers(&self, filter: &TriggerFilter, page: &Page) -> Result<PageOf<Trigger>, Fault> {
        read!(self, triggers::list, filter, page).await
    }
}

#[async_trait]
impl Tokens for Store {
    async fn token(&self, id: &TokenId) -> Result<Arc<Token>, Fault> {
        read!(self, tokens::by_id, id).await.map(Arc::new)
    }
}

#[async_trait]
impl TokenStore for Store {
    async fn create_token(&self, token: Token) -> Result<Token, Fault> {
        self.write(tokens::Create(token)).await
    }
    async fn revoke_token(&self, id: &TokenId) -> Result<(), Fault> {
        self.write(tokens::Revoke(id.clone())).await
    }
    async fn list_tokens(&self) -> Result<Vec<Token>, Fault> {
        read!(self, tokens::list).await
    }
}

#[async_trait]
impl Groups for Store {
    async fn list_groups(&self) -> Result<Vec<Group>, Fault> {
        read!(self, groups::list).await
    }
    async fn put_group(&self, group: Group) -> Result<Group, Fault> {
        self.write(groups::Put(group)).await
    }
    async fn delete_group(&self, id: &GroupId) -> Result<(), Fault> {
        self.write(groups::Delete(id.clone())).await
    }
    async fn group_use(&self, id: &GroupId) -> Result<GroupUse, Fault> {
        read!(self, groups::used, id).await
    }
}

impl Changes for Store {
    fn watch(&self) -> BoxStream<'static, News> {
        let news = self.hub.watch();
        self.wake.notify_one();
        news
    }
}
