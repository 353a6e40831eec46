//! What stands beside apps, functions and triggers: tokens, groups, and word of changes.

use super::{LATER, NOW, a_trigger, said, told, with_function};
use crate::access::{Hash, Role, Token};
use crate::catalog::groups::Group;
use crate::port::{Catalog, Changed, Changes, GroupUse, Groups, News, TokenStore};
use crate::{App, AppSet, Function, GroupId, Kind, TokenId, Trigger};
use futures_util::StreamExt;
use std::sync::Arc;

/// A token with something in every field.
pub fn a_token(id: &str) -> Token {
    Token {
        id: TokenId::new(id),
        role: Role::Admin,
        apps: AppSet::All,
        hash: Hash([7; 32]),
        note: "for tests".into(),
        created_at: NOW,
        expires_at: None,
    }
}

pub async fn tokens_are_kept_and_forgotten<C: TokenStore>(store: &C) {
    let first = a_token("T1");
    let second = Token {
        role: Role::Invoker,
        apps: AppSet::of(["a", "b-ü"]),
        note: String::new(),
        expires_at: Some(LATER),
        ..a_token("T2")
    };
    let none = Token { apps: AppSet::Some(Default::default()), ..a_token("T3") };
    for token in [&second, &first, &none] {
        assert_eq!(store.create_token(token.clone()).await.unwrap(), *token);
    }
    assert_eq!(told(store.create_token(first.clone()).await).0, Kind::Conflict);
    assert_eq!(*store.token(&second.id).await.unwrap(), second);
    assert_eq!(store.list_tokens().await.unwrap(), [first.clone(), second.clone(), none]);
    store.revoke_token(&first.id).await.unwrap();
    assert_eq!(told(store.token(&first.id).await).0, Kind::NotFound);
    assert_eq!(told(store.revoke_token(&first.id).await).0, Kind::NotFound);
    assert_eq!(told(store.token(&TokenId::new("a\0b")).await).0, Kind::NotFound);
}

pub async fn the_list_of_groups_is_kept<C: Groups>(store: &C) {
    let group = |id: &str, apps| Group { id: GroupId::new(id), apps, created_at: NOW, updated_at: NOW };
    assert!(store.list_groups().await.unwrap().is_empty());
    let (blue, red) = (group("blue", AppSet::of(["a"])), group("Red ü", AppSet::All));
    store.put_group(blue.clone()).await.unwrap();
    store.put_group(red.clone()).await.unwrap();
    assert_eq!(store.list_groups().await.unwrap(), [red.clone(), blue.clone()], "ordered by their bytes");
    let blue = Group { apps: AppSet::of(["a", "b"]), created_at: NOW, updated_at: LATER, ..blue };
    assert_eq!(store.put_group(blue.clone()).await.unwrap(), blue);
    assert_eq!(store.list_groups().await.unwrap(), [red.clone(), blue]);
    store.delete_group(&red.id).await.unwrap();
    assert_eq!(told(store.delete_group(&red.id).await), said(Kind::NotFound, "Group not found"));
    assert_eq!(store.list_groups().await.unwrap().len(), 1);
}

pub async fn the_use_of_groups_is_counted<C: Catalog + Groups>(store: &C) {
    let (app, function) = with_function(store).await;
    let used = async |id: &str| store.group_use(&GroupId::new(id)).await.unwrap();
    assert_eq!(used("blue").await, GroupUse { is_used: false, distinct: 0 });
    let into = |group: &'static str| {
        move |mut config: crate::Config| {
            config.insert(crate::group::GROUP_KEY.into(), group.into());
            config
        }
    };
    let named = |group| Arc::new(move |app: App| Ok(App { config: into(group)(app.config.clone()), ..app }));
    store.update_app(&app.id, named("blue")).await.unwrap();
    let change = Arc::new(move |f: Function| Ok(Function { config: into("green")(f.config.clone()), ..f }));
    store.update_function(&function.id, change).await.unwrap();
    assert_eq!(used("blue").await, GroupUse { is_used: true, distinct: 2 });
    assert_eq!(used("green").await, GroupUse { is_used: true, distinct: 2 });
    store.update_app(&app.id, named("green")).await.unwrap();
    assert_eq!(used("blue").await, GroupUse { is_used: false, distinct: 1 });
    store.delete_app(&app.id).await.unwrap();
    assert_eq!(used("green").await, GroupUse { is_used: false, distinct: 0 });
}

/// The next news of a watch, which must come soon.
async fn next_of(watch: &mut futures_util::stream::BoxStream<'static, News>) -> News {
    watch.next().await.unwrap()
}

/// What changed next, as soon as all of `wanted` was told.
async fn hears(watch: &mut futures_util::stream::BoxStream<'static, News>, wanted: &[Changed]) {
    let mut missing = wanted.to_vec();
    while !missing.is_empty() {
        match next_of(watch).await {
            News::Changed(things) => missing.retain(|one| !things.contains(one)),
            other => panic!("{other:?} while waiting for {missing:?}"),
        }
    }
}

pub async fn changes_are_told<C: Catalog + Changes + TokenStore>(store: &C) {
    let mut watch = store.watch();
    assert_eq!(next_of(&mut watch).await, News::Began);
    let (app, function) = with_function(store).await;
    let told_of_app = Changed::App { id: app.id.clone(), name: app.name.clone() };
    let told_of_function = Changed::Function { id: function.id.clone() };
    hears(&mut watch, &[told_of_app.clone(), told_of_function.clone()]).await;
    let source = |source: &str| Changed::Trigger { app_id: app.id.clone(), source: source.into() };
    let trigger = store.create_trigger(a_trigger("T1", "t", &function, "/x")).await.unwrap();
    hears(&mut watch, &[source("/x")]).await;
    let moved = Arc::new(|t| Ok(Trigger { source: "/y".into(), updated_at: LATER, ..t }));
    store.update_trigger(&trigger.id, moved).await.unwrap();
    hears(&mut watch, &[source("/x"), source("/y")]).await;
    let changed = Arc::new(|f| Ok(Function { image: "other".into(), ..f }));
    store.update_function(&function.id, changed).await.unwrap();
    hears(&mut watch, std::slice::from_ref(&told_of_function)).await;
    store.delete_trigger(&trigger.id).await.unwrap();
    hears(&mut watch, &[source("/y")]).await;
    store.delete_function(&function.id).await.unwrap();
    hears(&mut watch, &[told_of_function]).await;
    store.delete_app(&app.id).await.unwrap();
    hears(&mut watch, &[told_of_app]).await;
    let token = store.create_token(a_token("T1")).await.unwrap();
    store.revoke_token(&token.id).await.unwrap();
    hears(&mut watch, &[Changed::Token { id: token.id }]).await;
    let mut late = store.watch();
    assert_eq!(next_of(&mut late).await, News::Began);
}
