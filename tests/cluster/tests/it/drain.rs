//! SIGTERM: calls in flight finish, new ones are refused, exit 0.

use std::time::Duration;

use remuda_cluster_tests::{DO, LOST, Seen, Upload, deploy_with};
use remuda_harness::{Builder, Cluster, Front, FunctionId, FunctionSettings, images, until};
use reqwest::Method;

const REFUSES_WITHIN: Duration = Duration::from_secs(10);

fn multitenant() -> Builder {
    Cluster::builder().api().lb().npm("noop").runner("blue")
}

async fn probe(cluster: &Cluster) -> FunctionId {
    let image = images::probe().await.unwrap();
    let settings = FunctionSettings { timeout_seconds: 20, ..FunctionSettings::default() };
    deploy_with(&cluster.api(), "app", &[("FN_LB_GROUP_ID", "blue")], &image, &settings).await.unwrap()
}

/// A call that is provably in the function: its first bytes have come back.
async fn call_in_flight(front: &Front, function: &FunctionId) -> (Upload, reqwest::Response) {
    let (upload, body) = Upload::new();
    let request = front.request(Method::POST, &format!("/invoke/{}", function.0));
    let sending = tokio::spawn(request.header(DO, "echo").body(body).send());
    upload.send("before").await;
    let mut answer = sending.await.unwrap().unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "before");
    (upload, answer)
}

async fn finishes(upload: Upload, mut answer: reqwest::Response) {
    upload.send("after").await;
    drop(upload);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "after");
    assert_eq!(answer.chunk().await.unwrap(), None, "the answer has a clean end");
}

/// On a connection of its own each time, as a new caller would.
async fn refuses(front: &Front, function: &FunctionId) {
    until("new calls to be refused", REFUSES_WITHIN, async || {
        match Front::new(front.base()).invoke(function, "").await {
            Ok(answer) => answer.status == 503,
            Err(_no_connection) => true,
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_lb_that_is_told_to_stop_finishes_its_calls_and_takes_no_new_ones() {
    let mut cluster = multitenant().start().await.unwrap();
    let function = probe(&cluster).await;
    let front = cluster.front();
    let (upload, answer) = call_in_flight(&front, &function).await;
    cluster.node("lb").terminate().await.unwrap();
    refuses(&front, &function).await;
    finishes(upload, answer).await;
    assert!(cluster.node("lb").wait().await.unwrap().success());
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_runner_that_is_told_to_stop_finishes_its_calls_and_takes_no_new_ones() {
    let mut cluster = multitenant().runner("blue").allow_log(LOST).start().await.unwrap();
    let function = probe(&cluster).await;
    let front = cluster.front();
    let (upload, answer) = call_in_flight(&front, &function).await;
    let (stops, stays) = match cluster.containers_of("blue").await.unwrap().len() {
        0 => ("blue-2", "blue"),
        _ => ("blue", "blue-2"),
    };
    cluster.node(stops).terminate().await.unwrap();
    cluster.node(stops).wait_for_log("SIGTERM", REFUSES_WITHIN).await.unwrap();
    for _ in 0..20 {
        let seen = Seen::of(&front.invoke(&function, "").await.unwrap());
        assert_eq!(
            cluster.runner_of(seen.container()).await.unwrap(),
            stays,
            "a draining runner took a call"
        );
    }
    finishes(upload, answer).await;
    assert!(cluster.node(stops).wait().await.unwrap().success());
    assert_eq!(cluster.containers_of(stops).await.unwrap(), Vec::<String>::new());

    cluster.node(stops).restart().await.unwrap();
    assert!(cluster.node(stays).stop().await.unwrap().success());
    assert_eq!(front.invoke(&function, "").await.unwrap().status, 200);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_full_node_that_is_told_to_stop_finishes_its_calls_and_takes_no_new_ones() {
    let mut cluster = Cluster::builder().full().start().await.unwrap();
    let function = probe(&cluster).await;
    let front = cluster.front();
    let (upload, answer) = call_in_flight(&front, &function).await;
    cluster.node("full").terminate().await.unwrap();
    refuses(&front, &function).await;
    finishes(upload, answer).await;
    assert!(cluster.node("full").wait().await.unwrap().success());
    assert_eq!(cluster.containers().await.unwrap(), Vec::<String>::new());
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_node_ends_at_an_interrupt_too() {
    let mut cluster = multitenant().start().await.unwrap();
    for name in ["lb", "npm", "api", "blue"] {
        cluster.node(name).signal("INT").await.unwrap();
        assert!(cluster.node(name).wait().await.unwrap().success(), "{name} did not end with code 0");
    }
    cluster.shutdown().await.unwrap();
}
