//! API + LB + two static runners, without an NPM and without certificates.

use std::collections::BTreeSet;
use std::time::Duration;

use remuda_cluster_tests::{DO, LOST, Seen, deploy};
use remuda_harness::{Builder, Cluster, FunctionId, images};

/// A pure runner without certificates warns loudly, and is meant to.
const IN_CLEAR: &str = "clear";

fn two_static_runners() -> Builder {
    Cluster::builder().api().lb().shared_runner().shared_runner().allow_log(IN_CLEAR)
}

#[tokio::test]
async fn an_lb_with_static_runners_calls_functions_in_clear() {
    let mut cluster = two_static_runners().start().await.unwrap();
    let image = images::probe().await.unwrap();
    let api = cluster.api();
    let app = api.create_app("app", &[]).await.unwrap();
    let function = api.create_function(&app, "f", &image).await.unwrap();
    api.create_trigger(&app, &function, "t", "/").await.unwrap();
    let front = cluster.front();
    assert_eq!(Seen::of(&front.invoke(&function, "a body").await.unwrap()).body(), "a body");
    assert_eq!(Seen::of(&front.trigger("app", "/", "by trigger").await.unwrap()).body(), "by trigger");
    let warned = cluster.node("runner").log();
    assert!(
        warned.contains("WARN") && warned.contains(IN_CLEAR),
        "no warning that it listens in clear:\n{warned}"
    );

    let nobody = FunctionId("01M7WJPG9VR00040KDP400000D".to_owned());
    let answer = front.invoke(&nobody, "").await.unwrap();
    assert_eq!((answer.status, answer.message().as_str()), (404, "Fn not found"));
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn calls_go_on_when_one_of_two_runners_is_lost_and_use_it_again_when_it_is_back() {
    let mut cluster = two_static_runners().allow_log(LOST).start().await.unwrap();
    let image = images::probe().await.unwrap();
    let function = deploy(&cluster.api(), "app", &[], &image).await.unwrap();
    let front = cluster.front();
    assert_eq!(front.invoke(&function, "").await.unwrap().status, 200);

    cluster.node("runner").kill().await.unwrap();
    for _ in 0..20 {
        let answer = front.invoke(&function, "").await.unwrap();
        let runner = cluster.runner_of(Seen::of(&answer).container()).await.unwrap();
        assert_eq!(runner, "runner-2");
    }
    cluster.node("runner").restart().await.unwrap();
    cluster.node("runner-2").kill().await.unwrap();
    let answer = front.invoke(&function, "").await.unwrap();
    assert_eq!(cluster.runner_of(Seen::of(&answer).container()).await.unwrap(), "runner");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered_by_their_own_function() {
    let cluster = two_static_runners().start().await.unwrap();
    let image = images::probe().await.unwrap();
    let mut functions = Vec::new();
    for number in 0..3 {
        let name = format!("app-{number}");
        functions.push(deploy(&cluster.api(), &name, &[("NAME", name.as_str())], &image).await.unwrap());
    }
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..60_usize {
        let (front, function) = (cluster.front(), functions[number % 3].clone());
        calls.spawn(async move {
            let body = format!("body {number}");
            let answer = front.invoke_with(&function, &[(DO, "sleep=20")], body.clone()).await.unwrap();
            let seen = Seen::of(&answer);
            assert_eq!(seen.body(), body);
            assert_eq!(seen.variable("NAME"), format!("app-{}", number % 3));
            seen.header("fn-call-id").to_owned()
        });
    }
    let ids: BTreeSet<String> = tokio::time::timeout(Duration::from_secs(80), calls.join_all())
        .await
        .expect("60 calls of 20 ms take no 80 seconds")
        .into_iter()
        .collect();
    assert_eq!(ids.len(), 60, "each call has an id of its own");
    cluster.shutdown().await.unwrap();
}
