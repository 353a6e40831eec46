//! Another node, of a later release, changes the tables while this one goes on.

use crate::support::{self, at, raw};
use futures_util::future::join_all;
use remuda_core::access::Token;
use remuda_core::catalog::groups::Group;
use remuda_core::port::{
    AppFilter, Catalog, Changes, Definitions, FnFilter, Groups, Page, TokenStore, Tokens, TriggerFilter,
};
use remuda_core::testing::catalog_cases::{a_function, a_token, a_trigger, an_app};
use remuda_core::{App, AppSet, Function, GroupId, Timestamp, Trigger};
use remuda_store::Store;

const ALL: Page = Page { after: None, limit: 100 };

const MORE_COLUMNS: &str = "ALTER TABLE apps ADD COLUMN later varchar(10) NOT NULL DEFAULT 'x';
    ALTER TABLE fns ADD COLUMN later varchar(10) NOT NULL DEFAULT 'x';
    ALTER TABLE triggers ADD COLUMN later varchar(10) NOT NULL DEFAULT 'x';
    ALTER TABLE tokens ADD COLUMN later varchar(10) NOT NULL DEFAULT 'x';
    ALTER TABLE lb_groups ADD COLUMN later varchar(10) NOT NULL DEFAULT 'x';
    ALTER TABLE changes ADD COLUMN later varchar(10) NOT NULL DEFAULT 'x';";

struct Things {
    app: App,
    function: Function,
    trigger: Trigger,
    token: Token,
}

async fn make(store: &Store) -> Things {
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    let function = store.create_function(a_function("F", "f", &app)).await.unwrap();
    let trigger = store.create_trigger(a_trigger("T", "t", &function, "/x")).await.unwrap();
    let token = store.create_token(a_token("TOKEN")).await.unwrap();
    let now = Timestamp::from_unix_ms(0);
    let group = Group { id: GroupId::new("blue"), apps: AppSet::All, created_at: now, updated_at: now };
    store.put_group(group).await.unwrap();
    Things { app, function, trigger, token }
}

/// Reads all there is in every way.
async fn read(store: &Store, things: &Things) {
    let Things { app, function, trigger, token } = things;
    assert_eq!(*store.app(&app.id).await.unwrap(), *app);
    assert_eq!(*store.app_named(&app.name).await.unwrap(), *app);
    assert_eq!(*store.function(&function.id).await.unwrap(), *function);
    assert_eq!(*store.trigger_by_source(&app.id, "/x").await.unwrap(), *trigger);
    assert_eq!(store.trigger(&trigger.id).await.unwrap(), *trigger);
    assert_eq!(*store.token(&token.id).await.unwrap(), *token);
    assert_eq!(store.list_tokens().await.unwrap().len(), 1);
    assert_eq!(store.list_groups().await.unwrap().len(), 1);
    assert_eq!(store.list_apps(&AppFilter::default(), &ALL).await.unwrap().items.len(), 1);
    let functions = FnFilter { app_id: app.id.clone(), name: None };
    assert_eq!(store.list_functions(&functions, &ALL).await.unwrap().items.len(), 1);
    let triggers = TriggerFilter { app_id: app.id.clone(), fn_id: None, name: None };
    assert_eq!(store.list_triggers(&triggers, &ALL).await.unwrap().items.len(), 1);
}

/// Reads on all connections, so that each has everything prepared.
async fn read_everywhere(store: &Store, things: &Things) {
    for _ in 0..3 {
        join_all((0..24).map(|_| read(store, things))).await;
    }
}

#[tokio::test]
async fn reads_go_on_when_tables_get_more_columns() {
    for empty in support::all().await {
        let store = at(&empty.url).await;
        let _watch = store.watch();
        let things = make(&store).await;
        read_everywhere(&store, &things).await;
        raw(&empty.url, MORE_COLUMNS).await;
        read_everywhere(&store, &things).await;
        store.delete_app(&things.app.id).await.unwrap();
        store.revoke_token(&things.token.id).await.unwrap();
        make(&store).await;
    }
}

#[tokio::test]
async fn what_postgres_has_prepared_is_prepared_again_when_a_column_changes_its_type() {
    let empty = support::postgres().await;
    let store = at(&empty.url).await;
    let things = make(&store).await;
    read_everywhere(&store, &things).await;
    raw(&empty.url, "ALTER TABLE apps ALTER COLUMN shape TYPE varchar(400)").await;
    let changed = store.update_app(&things.app.id, std::sync::Arc::new(Ok)).await.unwrap();
    assert_eq!(changed, things.app);
    read_everywhere(&store, &things).await;
}
