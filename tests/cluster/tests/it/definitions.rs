//! What load balancers know of apps, functions and triggers: changes reach them at once, from every API node.

use std::time::{Duration, Instant};

use remuda_cluster_tests::{LOST, Seen, deploy};
use remuda_harness::{Builder, Cluster, Front, FunctionId, Tls, images, until};
use reqwest::Method;
use serde_json::json;

/// What the platform promises.
const IN_FORCE_WITHIN: Duration = Duration::from_millis(250);

/// Two API nodes on one database, two LBs, one runner.
fn two_of_each(database: &str) -> Builder {
    let shape = Cluster::builder().api().api().lb().lb().shared_runner().tls(Tls::SelfSigned);
    shape.env("api", "FN_DB_URL", database).env("api-2", "FN_DB_URL", database)
}

fn in_directory(directory: &tempfile::TempDir) -> String {
    format!("sqlite3://{}", directory.path().join("fn.db").display())
}

/// Waits for an LB to hear of changes: a call of another function's is no proof, its log is.
async fn until_pushed(cluster: &mut Cluster) {
    for lb in ["lb", "lb-2"] {
        cluster
            .node(lb)
            .wait_for_log("changes to definitions are told", Duration::from_secs(20))
            .await
            .unwrap();
    }
}

async fn version(front: &Front, function: &FunctionId) -> String {
    Seen::of(&front.invoke(function, "").await.unwrap()).variable("VERSION").to_owned()
}

/// How long it takes until calls at this LB see version `wanted`.
async fn time_until(front: &Front, function: &FunctionId, wanted: &str, since: Instant) -> Duration {
    let seen = async || version(front, function).await == wanted;
    until("the change to be in force", Duration::from_secs(10), seen).await.unwrap();
    since.elapsed()
}

#[tokio::test]
async fn a_change_at_any_api_node_is_in_force_at_every_lb_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = two_of_each(&in_directory(&directory)).start().await.unwrap();
    let image = images::probe().await.unwrap();
    let api = cluster.api();
    let function = deploy(&api, "app", &[("VERSION", "0")], &image).await.unwrap();
    let fronts = [cluster.front(), cluster.front_at("lb-2")];
    for front in &fronts {
        assert_eq!(version(front, &function).await, "0");
    }
    until_pushed(&mut cluster).await;
    let apis = [api, cluster.api_at("api-2")];
    let path = format!("/v2/fns/{}", function.0);
    for round in 1..=4 {
        let wanted = round.to_string();
        let change = json!({ "config": { "VERSION": wanted } });
        // The new version's container is started ahead, so that what is timed is the news and not a cold start.
        let changed_at = {
            apis[round % 2].send(Method::PUT, &path, Some(&change)).await.unwrap();
            Instant::now()
        };
        // A machine under load may be late with anything; what must not happen is waiting for an age of seconds.
        let slack = Duration::from_millis(1500);
        for front in &fronts {
            let took = time_until(front, &function, &wanted, changed_at).await;
            assert!(took < IN_FORCE_WITHIN + slack, "round {round}: {took:?}");
        }
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_deleted_is_gone_at_every_lb_and_what_is_made_again_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = two_of_each(&in_directory(&directory)).start().await.unwrap();
    let image = images::probe().await.unwrap();
    let api = cluster.api();
    let app = api.create_app("app", &[]).await.unwrap();
    let first = api.create_function(&app, "first", &image).await.unwrap();
    let trigger = api.create_trigger(&app, &first, "t", "/x").await.unwrap();
    let fronts = [cluster.front(), cluster.front_at("lb-2")];
    for front in &fronts {
        assert_eq!(front.trigger("app", "/x", "").await.unwrap().status, 200);
    }
    until_pushed(&mut cluster).await;
    let second = api.create_function(&app, "second", &image).await.unwrap();
    let other = cluster.api_at("api-2");
    other.send(Method::DELETE, &format!("/v2/triggers/{trigger}"), None).await.unwrap();
    for front in &fronts {
        let gone = async || front.trigger("app", "/x", "").await.unwrap().status == 404;
        until("the trigger to be gone", Duration::from_secs(2), gone).await.unwrap();
    }
    api.create_trigger(&app, &second, "t", "/x").await.unwrap();
    for front in &fronts {
        let there = async || front.trigger("app", "/x", "").await.unwrap().status == 200;
        until("the new trigger to be there", Duration::from_secs(2), there).await.unwrap();
    }
    other.delete_app(&app).await.unwrap();
    for front in &fronts {
        let gone = async || {
            let (by_trigger, direct) =
                (front.trigger("app", "/x", "").await.unwrap(), front.invoke(&second, "").await.unwrap());
            by_trigger.status == 404 && direct.status == 404
        };
        until("the app to be gone", Duration::from_secs(2), gone).await.unwrap();
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn lbs_read_through_any_api_node_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = two_of_each(&in_directory(&directory)).allow_log(LOST).start().await.unwrap();
    let image = images::probe().await.unwrap();
    let known = deploy(&cluster.api(), "known", &[], &image).await.unwrap();
    let front = cluster.front();
    assert_eq!(front.invoke(&known, "").await.unwrap().status, 200);

    cluster.node("api").kill().await.unwrap();
    let second = cluster.api_at("api-2");
    let new = deploy(&second, "new", &[("VERSION", "1")], &image).await.unwrap();
    let answer = front.invoke(&new, "").await.unwrap();
    assert_eq!(
        answer.status,
        200,
        "an unknown function is asked for at the other API node: {}",
        answer.text()
    );
    let change = json!({ "config": { "VERSION": "2" } });
    second.send(Method::PUT, &format!("/v2/fns/{}", new.0), Some(&change)).await.unwrap();
    let changed = async || version(&front, &new).await == "2";
    until("the change", Duration::from_secs(7), changed).await.unwrap();

    // And one that hangs is passed over as one that is gone.
    cluster.node("api").restart().await.unwrap();
    cluster.node("api").signal("STOP").await.unwrap();
    let newer = deploy(&second, "newer", &[], &image).await.unwrap();
    let answer = front.invoke(&newer, "").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    cluster.node("api").signal("CONT").await.unwrap();

    cluster.node("api").kill().await.unwrap();
    cluster.node("api-2").kill().await.unwrap();
    for function in [&known, &new, &newer] {
        let answer = front.invoke(function, "").await.unwrap();
        assert_eq!(answer.status, 200, "known ones need no API node: {}", answer.text());
    }
    let unknown = front.invoke(&FunctionId("01UNKNOWN".into()), "").await.unwrap();
    assert_eq!(unknown.status, 503, "{}", unknown.text());
    assert!(!unknown.header("retry-after").is_empty());
    cluster.shutdown().await.unwrap();
}
