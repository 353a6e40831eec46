//! Races end in one winner, and nobody is told that we failed.

use crate::support::{self, at};
use futures_util::future::join_all;
use remuda_core::access::Token;
use remuda_core::catalog::groups::Group;
use remuda_core::port::{Catalog, FnFilter, Groups, Page, TokenStore, TriggerFilter};
use remuda_core::testing::catalog_cases::{a_function, a_token, a_trigger, an_app};
use remuda_core::{AppSet, GroupId, Kind, Timestamp, Trigger};
use std::sync::Arc;

const ALL: Page = Page { after: None, limit: 100 };

#[tokio::test]
async fn a_source_and_a_name_of_a_trigger_have_one_winner() {
    for empty in support::all().await {
        let stores = [at(&empty.url).await, at(&empty.url).await];
        let app = stores[0].create_app(an_app("A", "app")).await.unwrap();
        let function = stores[0].create_function(a_function("F", "f", &app)).await.unwrap();
        let sources = join_all((0..12).map(|n| {
            let trigger = a_trigger(&format!("S{n}"), &format!("t-{n}"), &function, "/same");
            stores[n % 2].create_trigger(trigger)
        }));
        let names = join_all((0..12).map(|n| {
            let trigger = a_trigger(&format!("N{n}"), "same", &function, &format!("/{n}"));
            stores[n % 2].create_trigger(trigger)
        }));
        let (sources, names) = tokio::join!(sources, names);
        for (made, lost) in [
            (sources, "Trigger with the same type and source exists on this app"),
            (names, "Trigger already exists"),
        ] {
            assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
            for fault in made.into_iter().filter_map(Result::err) {
                assert_eq!((fault.kind, fault.message.as_ref()), (Kind::Conflict, lost), "{}", fault.chain());
            }
        }
    }
}

#[tokio::test]
async fn what_is_made_while_its_app_is_deleted_is_gone_or_was_never_made() {
    for empty in support::all().await {
        let stores = [at(&empty.url).await, at(&empty.url).await];
        for round in 0..10 {
            let app = stores[0].create_app(an_app(&format!("A{round}"), "app")).await.unwrap();
            let function = a_function(&format!("F{round}"), "f", &app);
            let function = stores[0].create_function(function).await.unwrap();
            let functions = join_all((0..6).map(|n| {
                stores[n % 2].create_function(a_function(&format!("F{round}-{n}"), &format!("f-{n}"), &app))
            }));
            let triggers = join_all((0..6).map(|n| {
                let (id, name) = (format!("T{round}-{n}"), format!("t-{n}"));
                stores[n % 2].create_trigger(a_trigger(&id, &name, &function, &format!("/{n}")))
            }));
            let (functions, triggers, deleted) =
                tokio::join!(functions, triggers, stores[1].delete_app(&app.id));
            deleted.unwrap();
            let faults = functions.into_iter().filter_map(Result::err);
            for fault in faults.chain(triggers.into_iter().filter_map(Result::err)) {
                assert_eq!(fault.kind, Kind::NotFound, "{}", fault.chain());
            }
            let functions = FnFilter { app_id: app.id.clone(), name: None };
            assert!(stores[0].list_functions(&functions, &ALL).await.unwrap().items.is_empty());
            let triggers = TriggerFilter { app_id: app.id, fn_id: None, name: None };
            assert!(stores[0].list_triggers(&triggers, &ALL).await.unwrap().items.is_empty());
        }
    }
}

#[tokio::test]
async fn changes_that_cross_each_other_all_end() {
    for empty in support::all().await {
        let stores = [at(&empty.url).await, at(&empty.url).await];
        let app = stores[0].create_app(an_app("A", "app")).await.unwrap();
        let function = stores[0].create_function(a_function("F", "f", &app)).await.unwrap();
        let mut triggers = Vec::new();
        for n in 0..4 {
            let trigger = a_trigger(&format!("T{n}"), &format!("t-{n}"), &function, &format!("/{n}"));
            triggers.push(stores[0].create_trigger(trigger).await.unwrap());
        }
        // Everybody wants the places of the others.
        let moves = join_all((0..48).map(|n| {
            let source = format!("/{}", (n * 7 + 1) % 6);
            let change = move |trigger| Ok(Trigger { source: source.clone(), ..trigger });
            stores[n % 2].update_trigger(&triggers[n % 4].id, Arc::new(change))
        }))
        .await;
        for fault in moves.into_iter().filter_map(Result::err) {
            assert_eq!(fault.kind, Kind::Conflict, "{}", fault.chain());
        }
        let filter = TriggerFilter { app_id: app.id, fn_id: None, name: None };
        let listed = stores[0].list_triggers(&filter, &ALL).await.unwrap().items;
        let mut sources: Vec<&str> = listed.iter().map(|trigger| trigger.source.as_str()).collect();
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), 4);
    }
}

#[tokio::test]
async fn groups_and_tokens_put_at_once_are_all_kept() {
    for empty in support::all().await {
        let stores = [at(&empty.url).await, at(&empty.url).await];
        let now = Timestamp::from_unix_ms(0);
        let puts = join_all((0..24).map(|n| {
            let id = GroupId::new(format!("g-{}", n % 6));
            stores[n % 2].put_group(Group { id, apps: AppSet::All, created_at: now, updated_at: now })
        }));
        let tokens = join_all((0..12).map(|n| {
            stores[n % 2].create_token(Token { note: format!("{n}"), ..a_token(&format!("T{}", n / 2)) })
        }));
        let (puts, tokens) = tokio::join!(puts, tokens);
        for put in puts {
            put.unwrap();
        }
        assert_eq!(stores[0].list_groups().await.unwrap().len(), 6);
        assert_eq!(tokens.iter().filter(|made| made.is_ok()).count(), 6);
        assert_eq!(stores[1].list_tokens().await.unwrap().len(), 6);
    }
}
