//! Several API nodes, of which some are away, slow or refuse.

use crate::api_node::{APP, ApiNode, answer, client, identity, nobody};
use crate::support::{logs, soon};
use remuda_core::access::Role;
use remuda_core::port::{Definitions, Tokens};
use remuda_core::{AppId, AppSet, Fault, Kind, Timestamp, TokenId};
use remuda_wire::{ApiClient, ApiUrl};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

async fn ask(api: &ApiClient) -> Result<String, Fault> {
    soon(api.app(&AppId::new("a1"))).await.map(|app| app.name.clone())
}

#[tokio::test]
async fn a_node_that_fails_is_passed_over_at_once_and_the_one_that_answered_is_asked_from_then_on() {
    let (bad, good) = (ApiNode::answering(500, "").await, ApiNode::answering(200, APP).await);
    let api = client(&[&bad, &good]);
    for _ in 0..5 {
        assert_eq!(ask(&api).await.unwrap(), "myapp");
    }
    assert_eq!((bad.asked(), good.asked()), (1, 5));

    let urls = format!("http://{},http://{}", nobody().await, good.address);
    let api = ApiClient::in_order(ApiUrl::parse_list(&urls).unwrap(), None, false).unwrap();
    assert_eq!(ask(&api).await.unwrap(), "myapp");
}

#[tokio::test]
async fn clients_with_the_same_list_begin_at_different_nodes_and_stay_with_them() {
    let nodes = [ApiNode::answering(200, APP).await, ApiNode::answering(200, APP).await];
    let urls = format!("http://{},http://{}", nodes[0].address, nodes[1].address);
    for asked in 1..=40 {
        let api = ApiClient::new(ApiUrl::parse_list(&urls).unwrap(), None, false).unwrap();
        let before = [nodes[0].asked(), nodes[1].asked()];
        for _ in 0..3 {
            ask(&api).await.unwrap();
        }
        let grown = [nodes[0].asked() - before[0], nodes[1].asked() - before[1]];
        assert!(grown == [3, 0] || grown == [0, 3], "client {asked}: {grown:?}");
    }
    assert!(nodes.iter().all(|node| node.asked() > 0), "forty coins");
}

#[tokio::test]
async fn a_node_that_hangs_costs_its_patience_once() {
    let (bad, good) = (ApiNode::hanging().await, ApiNode::answering(200, APP).await);
    let api = client(&[&bad, &good]);
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(ask(&api).await.unwrap(), "myapp");
    }
    assert_eq!((bad.asked(), good.asked()), (1, 50));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn hanging_nodes_are_remembered_even_if_who_asked_gave_up() {
    let (one, two) = (ApiNode::hanging().await, ApiNode::hanging().await);
    let good = ApiNode::answering(200, APP).await;
    let api = client(&[&one, &two, &good]);
    let given_up = tokio::time::timeout(Duration::from_millis(450), ask(&api)).await;
    assert!(given_up.is_err(), "the third is asked after two patiences");
    let begun = Instant::now();
    assert_eq!(ask(&api).await.unwrap(), "myapp");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(one.asked(), 1, "it is asked last now");
}

#[tokio::test]
async fn a_slow_node_may_still_be_the_first_to_answer() {
    let slow = ApiNode::serving(None, |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            answer(200, APP)
        })
    });
    let (slow, never) = (slow.await, ApiNode::hanging().await);
    let api = client(&[&slow, &never]);
    assert_eq!(ask(&api).await.unwrap(), "myapp");
    assert_eq!((slow.asked(), never.asked()), (1, 1));
}

#[tokio::test]
async fn when_the_preferred_node_dies_one_that_failed_before_is_asked_again() {
    let status = Arc::new(AtomicU16::new(503));
    let now = status.clone();
    let first = ApiNode::serving(None, move |_| {
        let answer = answer(now.load(Ordering::SeqCst), APP);
        Box::pin(std::future::ready(answer))
    });
    let (first, second) = (first.await, ApiNode::answering(200, APP).await);
    let api = client(&[&first, &second]);
    ask(&api).await.unwrap();
    drop(second);
    status.store(200, Ordering::SeqCst);
    assert_eq!(ask(&api).await.unwrap(), "myapp");
    assert_eq!(first.asked(), 2);
}

#[tokio::test]
async fn all_nodes_are_asked_in_rounds_until_all_have_failed() {
    let nodes = [ApiNode::answering(500, "").await, ApiNode::answering(503, "").await];
    let fault = ask(&client(&[&nodes[0], &nodes[1]])).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
    assert_eq!((nodes[0].asked(), nodes[1].asked()), (3, 3));
}

#[tokio::test]
async fn a_question_ends_within_its_deadline_when_all_nodes_hang() {
    let nodes = [ApiNode::hanging().await, ApiNode::hanging().await];
    let begun = Instant::now();
    let fault = ask(&client(&[&nodes[0], &nodes[1]])).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_node_that_refuses_us_is_passed_over_and_its_words_are_logged_once() {
    let (logs, _guard) = logs();
    let refusing = ApiNode::answering(401, r#"{"message":"show a certificate"}"#).await;
    let good = ApiNode::answering(200, APP).await;
    assert_eq!(ask(&client(&[&refusing, &good])).await.unwrap(), "myapp");
    assert_eq!(logs.lines_with("show a certificate").await.lines().count(), 1);

    for status in [401, 403] {
        let refusing = ApiNode::answering(status, r#"{"message":"go away"}"#).await;
        let api = client(&[&refusing]);
        for _ in 0..3 {
            let fault = ask(&api).await.unwrap_err();
            assert_eq!(fault.kind, Kind::Unavailable, "what is known goes on to serve");
            assert!(fault.chain().contains("go away"), "{}", fault.chain());
        }
        assert_eq!(refusing.asked(), 3, "to ask again at once is of no use");
    }
    assert_eq!(logs.lines_with("go away").await.lines().count(), 2, "one a client");
}

#[tokio::test]
async fn with_authentication_nodes_are_asked_over_tls_and_told_that_a_token_is_not_what_they_get() {
    let (identity, config) = identity();
    let node = ApiNode::serving(Some(config), |_| Box::pin(std::future::ready(answer(200, APP)))).await;
    let urls = || ApiUrl::parse_list(&format!("https://localhost:{}", node.address.port())).unwrap();
    for (auth, header) in [(false, None), (true, Some("token".to_owned()))] {
        let api = ApiClient::new(urls(), Some(identity.http_client_config()), auth).unwrap();
        assert_eq!(ask(&api).await.unwrap(), "myapp");
        assert_eq!(node.questions().pop(), Some(("/v2/apps/a1".to_owned(), header)));
    }
    let clear = ApiUrl::parse_list("http://localhost:1").unwrap();
    let refused = ApiClient::new(clear, Some(identity.http_client_config()), true);
    assert!(refused.err().unwrap().contains("use https"));
}

const TOKEN: &str = r#"{"id":"T1","role":"deployer","apps":["a","b"],
    "hash":"0707070707070707070707070707070707070707070707070707070707070707",
    "created_at":"2026-11-20T13:35:23.963Z","expires_at":"2027-11-20T13:35:23.963Z"}"#;
const ALL_APPS: &str = r#"{"id":"T1","role":"admin","apps":null,
    "hash":"0707070707070707070707070707070707070707070707070707070707070707",
    "created_at":"2026-11-20T13:35:23.963Z","expires_at":null}"#;

#[tokio::test]
async fn a_token_is_read_as_it_is_kept() {
    let node = ApiNode::answering(200, TOKEN).await;
    let token = soon(client(&[&node]).token(&TokenId::new("T1"))).await.unwrap();
    assert_eq!(node.questions()[0].0, "/v2/runner/tokens/T1");
    assert_eq!((token.id.as_str(), token.role), ("T1", Role::Deployer));
    assert_eq!((token.apps.clone(), token.hash.0), (AppSet::of(["a", "b"]), [7; 32]));
    assert_eq!(token.expires_at, Timestamp::parse("2027-11-20T13:35:23.963Z"));
    let node = ApiNode::answering(200, ALL_APPS).await;
    let token = soon(client(&[&node]).token(&TokenId::new("T1"))).await.unwrap();
    assert_eq!((token.role, token.apps.clone(), token.expires_at), (Role::Admin, AppSet::All, None));
}

#[tokio::test]
async fn a_flood_of_made_up_tokens_is_turned_away_and_keeps_definitions_from_nobody() {
    let node = ApiNode::serving(None, |request| {
        let is_token = request.uri().path().contains("tokens");
        Box::pin(async move {
            if is_token {
                std::future::pending::<()>().await;
            }
            answer(200, APP)
        })
    });
    let node = node.await;
    let api = client(&[&node]);
    let flood: Vec<_> = (0..32)
        .map(|n| {
            let api = api.clone();
            tokio::spawn(async move { api.token(&TokenId::new(n.to_string())).await })
        })
        .collect();
    soon(async {
        while node.asked() < 32 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let begun = Instant::now();
    for _ in 0..300 {
        let fault = soon(api.token(&TokenId::new("T"))).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Busy, "{}", fault.chain());
    }
    assert_eq!(ask(&api).await.unwrap(), "myapp");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    for asked in flood {
        assert!(asked.await.is_err());
    }
    let fault = soon(api.token(&TokenId::new("T"))).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable, "there is room again: {}", fault.chain());
}

#[tokio::test]
async fn a_token_that_is_missing_or_cannot_be_read_opens_nothing() {
    for (status, body, kind) in [
        (404, r#"{"message":"Token not found"}"#, Kind::NotFound),
        (404, "what is this", Kind::NotFound),
        (200, r#"{"id":"T1","role":"god","apps":null,"hash":"00"}"#, Kind::Internal),
        (200, r#"{"id":"T1","role":"admin","apps":null,"hash":"07"}"#, Kind::Internal),
        (200, r#"{"id":"T1","role":"admin","apps":null}"#, Kind::Internal),
        (503, "", Kind::Unavailable),
    ] {
        let node = ApiNode::answering(status, body).await;
        let fault = soon(client(&[&node]).token(&TokenId::new("T1"))).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{body}");
    }
    let node = ApiNode::answering(200, TOKEN).await;
    let fault = soon(client(&[&node]).token(&TokenId::new("T2"))).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Internal, "another token's");
}
