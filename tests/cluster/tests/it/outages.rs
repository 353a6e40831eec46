//! Parts go away and come back; calls go on.

use std::time::{Duration, Instant};

use remuda_cluster_tests::{LOST, Seen, deploy, probe_in_group};
use remuda_harness::{Builder, Cluster, Front, FunctionId, images, until};
use reqwest::Method;
use serde_json::json;

/// Longer than any age at which the LB looks at a definition or a membership again.
const OUTAGE: Duration = Duration::from_secs(8);

fn two_groups() -> Builder {
    Cluster::builder().api().lb().npm("noop").runner("blue").runner("green")
}

async fn all_calls_succeed_for(front: &Front, function: &FunctionId, time: Duration) {
    let start = Instant::now();
    let mut calls = 0_u64;
    while start.elapsed() < time {
        let answer = front.invoke(function, "").await.unwrap();
        calls += 1;
        assert_eq!(answer.status, 200, "call {calls}, {:?} into it: {}", start.elapsed(), answer.text());
    }
}

#[tokio::test]
async fn calls_go_on_without_the_npm_and_new_groups_work_when_it_is_back() {
    let mut cluster = two_groups().allow_log(LOST).start().await.unwrap();
    let front = cluster.front();
    let blue = probe_in_group(&cluster, "blue").await.unwrap();
    assert_eq!(front.invoke(&blue, "").await.unwrap().status, 200);

    cluster.node("npm").kill().await.unwrap();
    all_calls_succeed_for(&front, &blue, OUTAGE).await;

    cluster.node("npm").restart().await.unwrap();
    // Green was never asked for: only an NPM that is really connected again can tell where it runs.
    let green = probe_in_group(&cluster, "green").await.unwrap();
    let seen = Seen::of(&front.invoke(&green, "").await.unwrap());
    assert_eq!(cluster.runner_of(seen.container()).await.unwrap(), "green");
    all_calls_succeed_for(&front, &blue, Duration::from_secs(1)).await;
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn known_functions_are_called_without_the_api_node_and_changes_are_seen_when_it_is_back() {
    let mut cluster = two_groups().allow_log(LOST).start().await.unwrap();
    let front = cluster.front();
    let image = images::probe().await.unwrap();
    let api = cluster.api();
    let app = api.create_app("app", &[("FN_LB_GROUP_ID", "blue"), ("VERSION", "1")]).await.unwrap();
    let function = api.create_function(&app, "f", &image).await.unwrap();
    api.create_trigger(&app, &function, "t", "/f").await.unwrap();
    assert_eq!(Seen::of(&front.invoke(&function, "").await.unwrap()).variable("VERSION"), "1");
    assert_eq!(front.trigger("app", "/f", "").await.unwrap().status, 200);

    cluster.node("api").kill().await.unwrap();
    all_calls_succeed_for(&front, &function, OUTAGE).await;
    assert_eq!(front.trigger("app", "/f", "").await.unwrap().status, 200);

    cluster.node("api").restart().await.unwrap();
    let change = json!({ "config": { "VERSION": "2" } });
    api.send(Method::PUT, &format!("/v2/apps/{}", app.0), Some(&change)).await.unwrap();
    until("the LB to see the change", Duration::from_secs(15), async || {
        let answer = front.invoke(&function, "").await.unwrap();
        Seen::of(&answer).variable("VERSION") == "2"
    })
    .await
    .unwrap();
    let another = deploy(&api, "another", &[("FN_LB_GROUP_ID", "green")], &image).await.unwrap();
    assert_eq!(front.invoke(&another, "").await.unwrap().status, 200);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_lb_that_comes_back_finds_its_way_again() {
    let mut cluster = two_groups().start().await.unwrap();
    let blue = probe_in_group(&cluster, "blue").await.unwrap();
    let front = cluster.front();
    let first = Seen::of(&front.invoke(&blue, "").await.unwrap());
    cluster.node("lb").kill().await.unwrap();
    cluster.node("lb").restart().await.unwrap();
    let second = Seen::of(&front.invoke(&blue, "").await.unwrap());
    assert_eq!(second.container(), first.container(), "the runner kept the container hot meanwhile");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_killed_runners_containers_are_removed_when_it_comes_back() {
    let mut cluster = two_groups().allow_log(LOST).start().await.unwrap();
    let blue = probe_in_group(&cluster, "blue").await.unwrap();
    let first = Seen::of(&cluster.front().invoke(&blue, "").await.unwrap());
    cluster.node("blue").kill().await.unwrap();
    let left = cluster.containers().await.unwrap();
    assert!(!left.is_empty(), "a runner that is killed cannot remove its containers");
    cluster.node("blue").restart().await.unwrap();
    let second = Seen::of(&cluster.front().invoke(&blue, "").await.unwrap());
    assert_ne!(second.container(), first.container());
    assert!(cluster.runner_of(first.container()).await.is_err(), "the old container is still there");
    cluster.shutdown().await.unwrap();
}
