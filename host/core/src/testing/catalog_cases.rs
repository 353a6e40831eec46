//! What every [`Catalog`] must do, with the tokens, groups and changes beside it, a case a function.
//! [`crate::catalog_suite!`] makes tests of them.
#![allow(clippy::unwrap_used, reason = "a case fails by panicking")]
#![allow(missing_docs, reason = "the names are sentences")]

mod beside;

pub use beside::{
    a_token, changes_are_told, the_list_of_groups_is_kept, the_use_of_groups_is_counted,
    tokens_are_kept_and_forgotten,
};

use crate::port::{AppFilter, Catalog, FnFilter, Page, Place, TriggerFilter};
use crate::{App, AppId, AppSet, Fault, FnId, Function, Kind, MemoryMb, Timestamp, Trigger, TriggerId};
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;

/// Makes a `#[tokio::test]` of every case; `$fresh` is an async function that gives an empty catalogue and
/// what must outlive it (its directory, or nothing).
#[macro_export]
macro_rules! catalog_suite {
    ($fresh:path) => {
        $crate::catalog_suite!($fresh =>
            an_app_comes_back_as_it_went_in,
            a_missing_thing_is_not_found_by_its_name,
            a_name_has_one_winner,
            a_change_is_stored_and_a_refused_one_is_not,
            functions_belong_to_apps_that_exist,
            a_function_comes_back_as_it_went_in_and_changes,
            a_trigger_belongs_to_a_function_of_its_app,
            a_trigger_is_found_by_exactly_its_source,
            triggers_do_not_collide,
            a_changed_trigger_does_not_collide_either,
            deleting_takes_along_what_belongs_to_it,
            what_may_not_be_deleted_stays,
            lists_are_ordered_filtered_and_paged,
            triggers_of_one_name_are_all_listed,
            changes_at_once_all_count,
            a_page_may_end_between_two_of_one_name,
            odd_texts_find_nothing_and_break_nothing,
            tokens_are_kept_and_forgotten,
            the_list_of_groups_is_kept,
            the_use_of_groups_is_counted,
            changes_are_told,
        );
    };
    ($fresh:path => $($case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (catalog, _keep) = $fresh().await;
                $crate::testing::catalog_cases::$case(&catalog).await;
            }
        )*
    };
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_123);
const LATER: Timestamp = Timestamp::from_unix_ms(1_700_000_060_456);

/// An app with something in every field.
pub fn an_app(id: &str, name: &str) -> App {
    App {
        id: AppId::new(id),
        name: name.into(),
        config: [("A".into(), "1".into()), ("EMPTY".into(), String::new()), ("Ü".into(), "\"'\n".into())]
            .into(),
        annotations: [("n".into(), json!(5)), ("o".into(), json!({"x": [1, null, "y"]}))].into(),
        syslog_url: "tcp://h:514".into(),
        shape: "GENERIC_X86".into(),
        created_at: NOW,
        updated_at: NOW,
    }
}

/// A function with something in every field.
pub fn a_function(id: &str, name: &str, app: &App) -> Function {
    Function {
        id: FnId::new(id),
        name: name.into(),
        app_id: app.id.clone(),
        image: "registry/x/y:1".into(),
        memory: MemoryMb(256),
        timeout_s: 300,
        idle_timeout_s: 3600,
        config: [("B".into(), "2".into())].into(),
        annotations: [("f".into(), json!([true]))].into(),
        shape: app.shape.clone(),
        created_at: NOW,
        updated_at: NOW,
    }
}

/// A trigger with something in every field.
pub fn a_trigger(id: &str, name: &str, function: &Function, source: &str) -> Trigger {
    Trigger {
        id: TriggerId::new(id),
        name: name.into(),
        app_id: function.app_id.clone(),
        fn_id: function.id.clone(),
        kind: crate::trigger::HTTP.into(),
        source: source.into(),
        annotations: [("t".into(), json!("x"))].into(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn page(limit: u32) -> Page {
    Page { after: None, limit }
}

fn told<T: std::fmt::Debug>(result: Result<T, Fault>) -> (Kind, String) {
    let fault = result.unwrap_err();
    (fault.kind, fault.message.into_owned())
}

fn said(kind: Kind, message: &str) -> (Kind, String) {
    (kind, message.to_owned())
}

async fn with_function<C: Catalog>(catalog: &C) -> (App, Function) {
    let app = catalog.create_app(an_app("A1", "one")).await.unwrap();
    let function = catalog.create_function(a_function("F1", "f", &app)).await.unwrap();
    (app, function)
}

pub async fn an_app_comes_back_as_it_went_in<C: Catalog>(catalog: &C) {
    let app = an_app("A1", "one");
    assert_eq!(catalog.create_app(app.clone()).await.unwrap(), app);
    assert_eq!(*catalog.app(&app.id).await.unwrap(), app);
    assert_eq!(*catalog.app_named("one").await.unwrap(), app);
    let bare = App {
        config: Default::default(),
        annotations: Default::default(),
        syslog_url: String::new(),
        shape: String::new(),
        ..an_app("A2", "two")
    };
    catalog.create_app(bare.clone()).await.unwrap();
    assert_eq!(*catalog.app(&bare.id).await.unwrap(), bare);
}

pub async fn a_missing_thing_is_not_found_by_its_name<C: Catalog>(catalog: &C) {
    let (app, function, trigger) = (AppId::new("x"), FnId::new("x"), TriggerId::new("x"));
    let no_app = said(Kind::NotFound, "App not found");
    let no_function = said(Kind::NotFound, "Fn not found");
    let no_trigger = said(Kind::NotFound, "Trigger not found");
    assert_eq!(told(catalog.app(&app).await), no_app);
    assert_eq!(told(catalog.app_named("x").await), no_app);
    assert_eq!(told(catalog.update_app(&app, Arc::new(Ok)).await), no_app);
    assert_eq!(told(catalog.delete_app(&app).await), no_app);
    assert_eq!(told(catalog.function(&function).await), no_function);
    assert_eq!(told(catalog.update_function(&function, Arc::new(Ok)).await), no_function);
    assert_eq!(told(catalog.delete_function(&function).await), no_function);
    assert_eq!(told(catalog.trigger(&trigger).await), no_trigger);
    assert_eq!(told(catalog.update_trigger(&trigger, Arc::new(Ok)).await), no_trigger);
    assert_eq!(told(catalog.delete_trigger(&trigger).await), no_trigger);
    assert_eq!(told(catalog.trigger_by_source(&app, "/x").await), no_trigger);
}

pub async fn a_name_has_one_winner<C: Catalog>(catalog: &C) {
    let apps = join_all((0..8).map(|n| catalog.create_app(an_app(&format!("A{n}"), "one")))).await;
    assert_eq!(apps.iter().filter(|made| made.is_ok()).count(), 1);
    for lost in apps.into_iter().filter(Result::is_err) {
        assert_eq!(told(lost), said(Kind::Conflict, "App already exists"));
    }
    let app = catalog.app_named("one").await.unwrap();
    let made =
        join_all((0..8).map(|n| catalog.create_function(a_function(&format!("F{n}"), "f", &app)))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for lost in made.into_iter().filter(Result::is_err) {
        assert_eq!(told(lost), said(Kind::Conflict, "Fn with specified name already exists"));
    }
    let other = catalog.create_app(an_app("B", "two")).await.unwrap();
    assert!(catalog.create_function(a_function("G", "f", &other)).await.is_ok(), "names are per app");
}

pub async fn a_change_is_stored_and_a_refused_one_is_not<C: Catalog>(catalog: &C) {
    let app = catalog.create_app(an_app("A1", "one")).await.unwrap();
    let change = |mut app: App| {
        app.config.insert("NEW".into(), "1".into());
        app.annotations.clear();
        app.syslog_url.clear();
        app.updated_at = LATER;
        Ok(app)
    };
    let changed = catalog.update_app(&app.id, Arc::new(change)).await.unwrap();
    assert_eq!((changed.config["NEW"].as_str(), changed.updated_at), ("1", LATER));
    assert_eq!(*catalog.app(&app.id).await.unwrap(), changed);
    let refused = catalog.update_app(&app.id, Arc::new(|_| Err(Fault::invalid("no")))).await;
    assert_eq!(told(refused), said(Kind::Invalid, "no"));
    assert_eq!(*catalog.app(&app.id).await.unwrap(), changed);
}

pub async fn functions_belong_to_apps_that_exist<C: Catalog>(catalog: &C) {
    let nowhere = an_app("A1", "one");
    let made = catalog.create_function(a_function("F1", "f", &nowhere)).await;
    assert_eq!(told(made), said(Kind::NotFound, "App not found"));
}

pub async fn a_function_comes_back_as_it_went_in_and_changes<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    assert_eq!(function, a_function("F1", "f", &app));
    assert_eq!(*catalog.function(&function.id).await.unwrap(), function);
    let change = |function: Function| {
        Ok(Function { image: "z".into(), memory: MemoryMb(512), timeout_s: 1, idle_timeout_s: 2, ..function })
    };
    let changed = catalog.update_function(&function.id, Arc::new(change)).await.unwrap();
    assert_eq!(
        changed,
        Function {
            image: "z".into(),
            memory: MemoryMb(512),
            timeout_s: 1,
            idle_timeout_s: 2,
            ..function.clone()
        }
    );
    assert_eq!(*catalog.function(&function.id).await.unwrap(), changed);
}

pub async fn a_trigger_belongs_to_a_function_of_its_app<C: Catalog>(catalog: &C) {
    let (_, function) = with_function(catalog).await;
    let trigger = a_trigger("T1", "t", &function, "/x");
    let elsewhere = Trigger { app_id: AppId::new("x"), ..trigger.clone() };
    assert_eq!(told(catalog.create_trigger(elsewhere).await), said(Kind::NotFound, "App not found"));
    let of_nothing = Trigger { fn_id: FnId::new("x"), ..trigger.clone() };
    assert_eq!(told(catalog.create_trigger(of_nothing).await), said(Kind::NotFound, "Fn not found"));
    let other = catalog.create_app(an_app("A2", "two")).await.unwrap();
    let foreign = Trigger { app_id: other.id, ..trigger.clone() };
    assert_eq!(
        told(catalog.create_trigger(foreign).await),
        said(Kind::Invalid, "Invalid Fn ID - not owned by specified app")
    );
    assert_eq!(catalog.create_trigger(trigger.clone()).await.unwrap(), trigger);
    assert_eq!(catalog.trigger(&trigger.id).await.unwrap(), trigger);
}

pub async fn a_trigger_is_found_by_exactly_its_source<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    let trigger = catalog.create_trigger(a_trigger("T1", "t", &function, "/a/B")).await.unwrap();
    assert_eq!(*catalog.trigger_by_source(&app.id, "/a/B").await.unwrap(), trigger);
    for near in ["/a/b", "/a/B/", "a/B", "/a", "/a/%", "//a/B"] {
        assert_eq!(told(catalog.trigger_by_source(&app.id, near).await).0, Kind::NotFound, "{near}");
    }
    assert!(catalog.trigger_by_source(&AppId::new("x"), "/a/B").await.is_err());
}

pub async fn triggers_do_not_collide<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    let other = catalog.create_function(a_function("F2", "g", &app)).await.unwrap();
    catalog.create_trigger(a_trigger("T1", "t", &function, "/x")).await.unwrap();
    let same_source = catalog.create_trigger(a_trigger("T2", "t", &other, "/x")).await;
    assert_eq!(
        told(same_source),
        said(Kind::Conflict, "Trigger with the same type and source exists on this app")
    );
    let same_name = catalog.create_trigger(a_trigger("T3", "t", &function, "/y")).await;
    assert_eq!(told(same_name), said(Kind::Conflict, "Trigger already exists"));
    assert!(
        catalog.create_trigger(a_trigger("T4", "t", &other, "/y")).await.is_ok(),
        "names are per function"
    );
}

pub async fn a_changed_trigger_does_not_collide_either<C: Catalog>(catalog: &C) {
    let (_, function) = with_function(catalog).await;
    let other_app = catalog.create_app(an_app("A2", "two")).await.unwrap();
    let foreign = catalog.create_function(a_function("F2", "g", &other_app)).await.unwrap();
    let first = catalog.create_trigger(a_trigger("T1", "t", &function, "/x")).await.unwrap();
    let second = catalog.create_trigger(a_trigger("T2", "u", &function, "/y")).await.unwrap();
    let renamed =
        catalog.update_trigger(&second.id, Arc::new(|t| Ok(Trigger { name: "t".into(), ..t }))).await;
    assert_eq!(told(renamed), said(Kind::Conflict, "Trigger already exists"));
    let moved =
        catalog.update_trigger(&second.id, Arc::new(|t| Ok(Trigger { source: "/x".into(), ..t }))).await;
    assert_eq!(told(moved), said(Kind::Conflict, "Trigger with the same type and source exists on this app"));
    let fn_id = foreign.id.clone();
    let stolen = catalog
        .update_trigger(&second.id, Arc::new(move |t| Ok(Trigger { fn_id: fn_id.clone(), ..t })))
        .await;
    assert_eq!(told(stolen), said(Kind::Invalid, "Invalid Fn ID - not owned by specified app"));
    assert_eq!(catalog.trigger(&second.id).await.unwrap(), second);
    let moved =
        catalog.update_trigger(&first.id, Arc::new(|t| Ok(Trigger { source: "/z".into(), ..t }))).await;
    assert_eq!(moved.unwrap().source, "/z");
    assert_eq!(catalog.trigger_by_source(&first.app_id, "/z").await.unwrap().id, first.id);
    assert!(catalog.trigger_by_source(&first.app_id, "/x").await.is_err());
}

pub async fn deleting_takes_along_what_belongs_to_it<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    let other = catalog.create_function(a_function("F2", "g", &app)).await.unwrap();
    let first = catalog.create_trigger(a_trigger("T1", "t", &function, "/x")).await.unwrap();
    let second = catalog.create_trigger(a_trigger("T2", "t", &other, "/y")).await.unwrap();
    catalog.delete_function(&function.id).await.unwrap();
    assert!(catalog.trigger(&first.id).await.is_err());
    assert_eq!(catalog.trigger(&second.id).await.unwrap(), second);
    catalog.delete_app(&app.id).await.unwrap();
    assert!(catalog.function(&other.id).await.is_err());
    assert!(catalog.trigger(&second.id).await.is_err());
    assert!(catalog.create_app(an_app("A9", "one")).await.is_ok(), "the name is free again");
}

pub async fn what_may_not_be_deleted_stays<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    let sealed = |app: &App| match app.config.contains_key("A") {
        true => Err(Fault::user(Kind::Forbidden, "sealed")),
        false => Ok(()),
    };
    assert_eq!(told(catalog.delete_app_if(&app.id, Arc::new(sealed)).await), said(Kind::Forbidden, "sealed"));
    assert_eq!(*catalog.function(&function.id).await.unwrap(), function);
    let opened = |app: App| Ok(App { config: Default::default(), ..app });
    catalog.update_app(&app.id, Arc::new(opened)).await.unwrap();
    catalog.delete_app_if(&app.id, Arc::new(sealed)).await.unwrap();
    assert!(catalog.function(&function.id).await.is_err());
    let gone = catalog.delete_app_if(&app.id, Arc::new(sealed)).await;
    assert_eq!(told(gone), said(Kind::NotFound, "App not found"));
}

pub async fn lists_are_ordered_filtered_and_paged<C: Catalog>(catalog: &C) {
    for name in ["c", "B", "a", "d", "e"] {
        catalog.create_app(an_app(&format!("id-{name}"), name)).await.unwrap();
    }
    let names = |apps: &[App]| apps.iter().map(|app| app.name.clone()).collect::<Vec<_>>();
    let all = AppFilter::default();
    let first = catalog.list_apps(&all, &page(2)).await.unwrap();
    let at = |next: &Option<Place>| next.as_ref().map(|place| place.name.clone());
    assert_eq!((names(&first.items), at(&first.next)), (vec!["B".into(), "a".into()], Some("a".into())));
    let second = catalog.list_apps(&all, &Page { after: first.next, limit: 2 }).await.unwrap();
    assert_eq!((names(&second.items), at(&second.next)), (vec!["c".into(), "d".into()], Some("d".into())));
    let last = catalog.list_apps(&all, &Page { after: second.next, limit: 2 }).await.unwrap();
    assert_eq!((names(&last.items), last.next), (vec!["e".into()], None));
    let whole = catalog.list_apps(&all, &page(5)).await.unwrap();
    assert_eq!(at(&whole.next).as_deref(), Some("e"), "a full page has a next one, though it may be empty");
    let one = catalog
        .list_apps(&AppFilter { name: Some("a".into()), ..AppFilter::default() }, &page(30))
        .await
        .unwrap();
    assert_eq!((names(&one.items), one.next), (vec!["a".into()], None));
    let none = catalog
        .list_apps(&AppFilter { name: Some("A".into()), ..AppFilter::default() }, &page(30))
        .await
        .unwrap();
    assert!(none.items.is_empty() && none.next.is_none());
    let plain = Page { after: Some(Place { name: "c".into(), id: None }), limit: 30 };
    assert_eq!(names(&catalog.list_apps(&all, &plain).await.unwrap().items), ["d", "e"]);
    let within = |apps: AppSet| AppFilter { within: apps, ..AppFilter::default() };
    let some = catalog.list_apps(&within(AppSet::of(["a", "d", "nowhere"])), &page(30)).await.unwrap();
    assert_eq!(names(&some.items), ["a", "d"]);
    let next = Page { after: Some(Place { name: "a".into(), id: None }), limit: 30 };
    let rest = catalog.list_apps(&within(AppSet::of(["a", "d"])), &next).await.unwrap();
    assert_eq!(names(&rest.items), ["d"]);
    let nothing = catalog.list_apps(&within(AppSet::Some(Default::default())), &page(30)).await.unwrap();
    assert!(nothing.items.is_empty());
}

pub async fn a_page_may_end_between_two_of_one_name<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    let other = catalog.create_function(a_function("F2", "g", &app)).await.unwrap();
    let first = catalog.create_trigger(a_trigger("T1", "t", &function, "/x")).await.unwrap();
    let second = catalog.create_trigger(a_trigger("T2", "t", &other, "/y")).await.unwrap();
    let third = catalog.create_trigger(a_trigger("T0", "u", &other, "/z")).await.unwrap();
    let filter = TriggerFilter { app_id: app.id, fn_id: None, name: None };
    let mut listed = Vec::new();
    let mut next = page(1);
    loop {
        let found = catalog.list_triggers(&filter, &next).await.unwrap();
        listed.extend(found.items);
        match found.next {
            Some(place) => next.after = Some(place),
            None => break,
        }
    }
    assert_eq!(listed, [first, second, third.clone()]);
    let plain = Page { after: Some(Place { name: "t".into(), id: None }), limit: 30 };
    assert_eq!(catalog.list_triggers(&filter, &plain).await.unwrap().items, [third], "Fn's own cursor");
}

pub async fn odd_texts_find_nothing_and_break_nothing<C: Catalog>(catalog: &C) {
    let app = catalog.create_app(an_app("A1", "one")).await.unwrap();
    for odd in ["\0", "a\0b", "%", "_", "'", "\\", "one ", " one", "ONE", "\u{1F980}", &"x".repeat(100_000)] {
        assert_eq!(told(catalog.app(&AppId::new(odd)).await).0, Kind::NotFound, "{odd:?}");
        assert_eq!(told(catalog.app_named(odd).await).0, Kind::NotFound, "{odd:?}");
        assert_eq!(told(catalog.function(&FnId::new(odd)).await).0, Kind::NotFound, "{odd:?}");
        assert_eq!(told(catalog.trigger(&TriggerId::new(odd)).await).0, Kind::NotFound, "{odd:?}");
        assert_eq!(told(catalog.trigger_by_source(&app.id, odd).await).0, Kind::NotFound, "{odd:?}");
        assert_eq!(told(catalog.delete_app(&AppId::new(odd)).await).0, Kind::NotFound, "{odd:?}");
        let named = AppFilter { name: Some(odd.into()), ..AppFilter::default() };
        assert!(catalog.list_apps(&named, &page(30)).await.unwrap().items.is_empty(), "{odd:?}");
        let after = Page { after: Some(Place { name: odd.into(), id: Some(odd.into()) }), limit: 30 };
        assert!(catalog.list_apps(&AppFilter::default(), &after).await.is_ok(), "{odd:?}");
        let functions = FnFilter { app_id: AppId::new(odd), name: Some(odd.into()) };
        assert!(catalog.list_functions(&functions, &page(30)).await.unwrap().items.is_empty(), "{odd:?}");
    }
}

pub async fn changes_at_once_all_count<C: Catalog>(catalog: &C) {
    let app = catalog.create_app(an_app("A1", "one")).await.unwrap();
    let changes = (0..16).map(|n| {
        let change = move |mut app: App| {
            app.config.insert(format!("K{n}"), n.to_string());
            Ok(app)
        };
        catalog.update_app(&app.id, Arc::new(change))
    });
    for changed in join_all(changes).await {
        changed.unwrap();
    }
    assert_eq!(catalog.app(&app.id).await.unwrap().config.len(), app.config.len() + 16);
}

pub async fn triggers_of_one_name_are_all_listed<C: Catalog>(catalog: &C) {
    let (app, function) = with_function(catalog).await;
    let other = catalog.create_function(a_function("F2", "g", &app)).await.unwrap();
    let first = catalog.create_trigger(a_trigger("T1", "t", &function, "/x")).await.unwrap();
    let second = catalog.create_trigger(a_trigger("T2", "t", &other, "/y")).await.unwrap();
    let filter = TriggerFilter { app_id: app.id.clone(), fn_id: None, name: None };
    assert_eq!(catalog.list_triggers(&filter, &page(30)).await.unwrap().items, [first, second.clone()]);
    let of_other = TriggerFilter { fn_id: Some(other.id.clone()), name: Some("t".into()), ..filter.clone() };
    assert_eq!(catalog.list_triggers(&of_other, &page(30)).await.unwrap().items, [second]);
    let nowhere = TriggerFilter { app_id: AppId::new("x"), ..filter };
    assert!(catalog.list_triggers(&nowhere, &page(30)).await.unwrap().items.is_empty());
    let functions = FnFilter { app_id: app.id, name: None };
    assert_eq!(catalog.list_functions(&functions, &page(30)).await.unwrap().items.len(), 2);
    let named = FnFilter { name: Some("g".into()), ..functions };
    assert_eq!(catalog.list_functions(&named, &page(30)).await.unwrap().items, [other]);
    let nowhere = FnFilter { app_id: AppId::new("x"), name: None };
    assert!(catalog.list_functions(&nowhere, &page(30)).await.unwrap().items.is_empty());
}
