//! A call on a full node: everything in one process.

use remuda_cluster_tests::{DO, Seen, deploy};
use remuda_harness::{Cluster, FunctionId, images};
use reqwest::Method;

#[tokio::test]
async fn a_full_node_calls_a_function_and_keeps_its_container_hot() {
    let cluster = Cluster::builder().full().start().await.unwrap();
    let image = images::probe().await.unwrap();
    let function = deploy(&cluster.api(), "app", &[("COLOUR", "red")], &image).await.unwrap();
    let front = cluster.front();

    let answer = front.invoke_with(&function, &[("X-Mine", "kept")], "a body").await.unwrap();
    let first = Seen::of(&answer);
    assert_eq!(first.body(), "a body");
    assert_eq!(first.header("x-mine"), "kept");
    assert_eq!(first.variable("COLOUR"), "red");
    assert_eq!(first.variable("FN_FN_ID"), function.0);
    assert_eq!(first.header("fn-call-id"), answer.header("fn-call-id"));
    assert_eq!(first.header("fn-call-id").len(), 26, "a call id has 26 characters");
    assert_ne!(first.uid(), 0, "functions do not run as root");

    let second = Seen::of(&front.invoke(&function, "again").await.unwrap());
    assert_eq!(second.container(), first.container(), "the second call found the container of the first");
    assert_eq!(second.calls(), 2);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_trigger_hands_over_the_http_request_and_takes_its_status() {
    let cluster = Cluster::builder().full().start().await.unwrap();
    let api = cluster.api();
    let image = images::probe().await.unwrap();
    let app = api.create_app("shop", &[]).await.unwrap();
    let function = api.create_function(&app, "f", &image).await.unwrap();
    api.create_trigger(&app, &function, "t", "/buy").await.unwrap();

    let request = cluster.front().request(Method::PUT, "/t/shop/buy?what=tea").header("X-Mine", "kept");
    let answer = request
        .header(DO, "http-status=418;header=Fn-Http-H-X-Back:yes;header=X-Lost:no")
        .body("a body")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 418);
    assert_eq!(answer.headers()["x-back"], "yes");
    assert!(!answer.headers().contains_key("x-lost"));
    let report: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let header = |name: &str| {
        let headers = report["headers"].as_object().unwrap();
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert_eq!(header("fn-http-method"), "PUT");
    assert!(header("fn-http-request-url").ends_with("/t/shop/buy?what=tea"), "{report}");
    assert_eq!(header("fn-http-h-x-mine"), "kept");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_does_not_exist_is_a_404_in_json() {
    let cluster = Cluster::builder().full().start().await.unwrap();
    let front = cluster.front();
    let nobody = FunctionId("01M7WJPG9VR00040KDP400000D".to_owned());
    let answer = front.invoke(&nobody, "").await.unwrap();
    assert_eq!((answer.status, answer.message().as_str()), (404, "Fn not found"));
    let answer = front.trigger("nowhere", "/x", "").await.unwrap();
    assert_eq!((answer.status, answer.message().as_str()), (404, "App not found"));
    cluster.shutdown().await.unwrap();
}
