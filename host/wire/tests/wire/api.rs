//! The catalogue asked over HTTP, against a server that answers what a test says.

use crate::support::soon;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remuda_core::port::Definitions;
use remuda_core::{AppId, Blame, FnId, Kind};
use remuda_wire::{ApiClient, ApiUrl};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

type Answer = (u16, String);

/// An API node; says which paths it was asked for.
async fn node<F>(answer: F) -> (SocketAddr, Arc<Mutex<Vec<String>>>)
where
    F: Fn(usize, &str) -> Answer + Clone + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = asked.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (note, answer) = (note.clone(), answer.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path_and_query().unwrap().to_string();
                let mut asked = note.lock().unwrap();
                let (status, body) = answer(asked.len(), &path);
                asked.push(path);
                let response = Response::builder()
                    .status(StatusCode::from_u16(status).unwrap())
                    .body(Full::<Bytes>::from(body));
                std::future::ready(Ok::<_, Infallible>(response.unwrap()))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(async move { connection.serve_connection(TokioIo::new(socket), service).await });
        }
    });
    (address, asked)
}

fn client(address: SocketAddr) -> ApiClient {
    let urls = ApiUrl::parse_list(&format!("http://{address}/ignored")).unwrap();
    ApiClient::new(urls, None, false).unwrap()
}

const APP: &str = r#"{"id":"a1","name":"myapp","config":{"FN_LB_GROUP_ID":"blue"},"annotations":{"k":[1]},
    "syslog_url":"udp://h:1","created_at":"2026-11-20T13:35:23.963Z","updated_at":"2026-11-20T13:35:23.963Z"}"#;
const FN: &str = r#"{"id":"f1","name":"f","app_id":"a1","image":"x/y:1","memory":128,"timeout":30,"idle_timeout":31,
    "config":null,"created_at":"2026-11-20T13:35:23.963Z","shape":"GENERIC_ARM","updated_at":"2026-11-20T13:35:23.963Z"}"#;
const TRIGGER: &str = r#"{"id":"t1","name":"t","app_id":"a1","fn_id":"f1","type":"http","source":"/a/b"}"#;

#[tokio::test]
async fn definitions_are_asked_for_by_fns_paths() {
    let (address, asked) = node(|_, path| match path {
        _ if path.starts_with("/v2/apps?") => {
            (200, format!(r#"{{"items":[{}]}}"#, APP.replace("myapp", "my app&x=1")))
        }
        _ if path.starts_with("/v2/apps/") => (200, APP.into()),
        _ if path.starts_with("/v2/fns/") => (200, FN.into()),
        _ => (200, TRIGGER.into()),
    })
    .await;
    let api = client(address);
    let named = soon(api.app_named("my app&x=1")).await.unwrap();
    let app = soon(api.app(&AppId::new("a1"))).await.unwrap();
    assert_eq!((named.id.as_str(), named.name.as_str()), ("a1", "my app&x=1"));
    assert_eq!((app.name.as_str(), app.config["FN_LB_GROUP_ID"].as_str()), ("myapp", "blue"));
    let function = soon(api.function(&FnId::new("f/1"))).await.unwrap();
    assert_eq!((function.timeout_s, function.idle_timeout_s, function.memory.0), (30, 31, 128));
    assert!(function.config.is_empty());
    let trigger = soon(api.trigger_by_source(&AppId::new("a1"), "/a/b?c#d é")).await.unwrap();
    assert_eq!((trigger.source.as_str(), trigger.fn_id.as_str()), ("/a/b", "f1"));
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "/v2/apps?name=my%20app%26x%3D1",
            "/v2/apps/a1",
            "/v2/fns/f%2F1",
            "/v2/runner/apps/a1/triggerBySource/http//a/b%3Fc%23d%20%C3%A9",
        ]
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found_with_fns_words() {
    let (address, _) = node(|_, path| {
        if path.starts_with("/v2/apps?") {
            (200, r#"{"items":[]}"#.into())
        } else if path.contains("gone-app") {
            (404, r#"{"message":"App not found"}"#.into())
        } else {
            (404, "whatever".into())
        }
    })
    .await;
    let api = client(address);
    let faults = [
        (soon(api.app_named("x")).await.unwrap_err(), "App not found"),
        (soon(api.app(&AppId::new("x"))).await.unwrap_err(), "App not found"),
        (soon(api.function(&FnId::new("x"))).await.unwrap_err(), "Fn not found"),
        (soon(api.trigger_by_source(&AppId::new("x"), "/")).await.unwrap_err(), "Trigger not found"),
        (soon(api.trigger_by_source(&AppId::new("gone-app"), "/")).await.unwrap_err(), "App not found"),
    ];
    for (fault, words) in faults {
        assert_eq!((fault.kind, fault.message.as_ref()), (Kind::NotFound, words));
    }
}

#[tokio::test]
async fn an_app_without_a_name_is_not_found_without_asking() {
    let (address, asked) = node(|_, _| (200, format!(r#"{{"items":[{APP}]}}"#))).await;
    let fault = soon(client(address).app_named("")).await.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::NotFound, "App not found"));
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_api_node_that_does_not_filter_is_not_believed() {
    let other = APP.replace("myapp", "other");
    let (address, _) = node(move |_, _| (200, format!(r#"{{"items":[{other},{APP}]}}"#))).await;
    let api = client(address);
    assert_eq!(soon(api.app_named("myapp")).await.unwrap().name, "myapp");
    assert_eq!(soon(api.app_named("absent")).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn a_refusal_is_never_the_callers_doing_and_does_not_make_the_api_node_away() {
    for (status, kind, blame) in [
        (400, Kind::Busy, Blame::Service),
        (409, Kind::Busy, Blame::Service),
        (414, Kind::Foreign(414), Blame::User),
    ] {
        let (address, asked) = node(move |_, _| (status, "no".into())).await;
        let fault = soon(client(address).app(&AppId::new("a1"))).await.unwrap_err();
        assert_eq!((fault.kind, fault.blame), (kind, blame), "{}", fault.chain());
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_no_request_can_ask_for_is_not_found() {
    let (address, asked) = node(|_, _| (200, TRIGGER.into())).await;
    let api = client(address);
    for length in [17_000, 30_000, 100_000] {
        let long = "é".repeat(length / 2);
        let faults = [
            (soon(api.app(&AppId::new(long.clone()))).await.unwrap_err(), "App not found"),
            (soon(api.app_named(&long)).await.unwrap_err(), "App not found"),
            (soon(api.function(&FnId::new(long.clone()))).await.unwrap_err(), "Fn not found"),
            (soon(api.trigger_by_source(&AppId::new("a1"), &long)).await.unwrap_err(), "Trigger not found"),
        ];
        for (fault, words) in faults {
            assert_eq!((fault.kind, fault.message.as_ref()), (Kind::NotFound, words));
        }
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_passing_trouble_is_asked_through_and_a_lasting_one_is_unavailable() {
    let (address, asked) =
        node(|nth, _| if nth < 2 { (500, String::new()) } else { (200, APP.into()) }).await;
    assert!(soon(client(address).app(&AppId::new("a1"))).await.is_ok());
    assert_eq!(asked.lock().unwrap().len(), 3);

    let (address, asked) = node(|_, _| (503, String::new())).await;
    let fault = soon(client(address).app(&AppId::new("a1"))).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_node_that_is_away_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fault = soon(client(address).app(&AppId::new("a1"))).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
}

#[tokio::test]
async fn an_answer_beyond_reason_is_not_read() {
    for (status, kind, questions) in [
        (200, Kind::Internal, 1),
        (404, Kind::NotFound, 1),
        (400, Kind::Busy, 1),
        (503, Kind::Unavailable, 3),
    ] {
        let (address, asked) = node(move |_, _| (status, "x".repeat((4 << 20) + 1))).await;
        let fault = soon(client(address).app(&AppId::new("a1"))).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{}", fault.chain());
        assert_eq!(asked.lock().unwrap().len(), questions, "{status}");
    }
    let (address, _) = node(|_, _| (200, r#"{"id":1}"#.into())).await;
    assert_eq!(soon(client(address).app(&AppId::new("a1"))).await.unwrap_err().kind, Kind::Internal);
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_says_nothing_about_the_node_and_costs_one_question() {
    let unusable = ["x".repeat((4 << 20) + 1), "<html>".to_owned(), r#"{"id":1}"#.to_owned()];
    for body in unusable {
        let (bad, asked) = node(move |_, path| match path {
            "/v2/apps/a1" => (200, APP.into()),
            _ => (200, body.clone()),
        })
        .await;
        let (other, other_asked) = node(|_, _| (200, APP.into())).await;
        let urls = ApiUrl::parse_list(&format!("http://{bad},http://{other}")).unwrap();
        let api = ApiClient::in_order(urls, None, false).unwrap();
        let fault = soon(api.app(&AppId::new("odd"))).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Internal, "{}", fault.chain());
        assert!(fault.chain().contains("/v2/apps/odd"), "{}", fault.chain());
        assert!(soon(api.app(&AppId::new("a1"))).await.is_ok());
        assert_eq!((asked.lock().unwrap().len(), other_asked.lock().unwrap().len()), (2, 0));
    }
}

#[tokio::test]
async fn an_app_is_read_by_its_name_however_large_and_deep_it_may_be_stored() {
    let deepest = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    assert!(serde_json::from_str::<serde_json::Value>(&deepest).is_ok(), "as an annotation it can be sent");
    let app = APP.replace("[1]", &format!(r#"{deepest},"long":"{}""#, "x".repeat(3 << 20)));
    let (address, _) = node(move |_, path| match path {
        _ if path.starts_with("/v2/apps?") => (200, format!(r#"{{"items":[{app}]}}"#)),
        _ => (200, app.clone()),
    })
    .await;
    let api = client(address);
    let named = soon(api.app_named("myapp")).await.unwrap();
    assert_eq!(named.annotations.len(), 2);
    assert_eq!(named.annotations, soon(api.app(&AppId::new("a1"))).await.unwrap().annotations);
}
