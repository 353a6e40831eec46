//! Our nodes pass every scenario of Fn's API, whatever their database and however they are guarded.

use remuda_compat::{Report, Target, fn_v2, replay};
use remuda_harness::{Builder, Cluster, Tls, images};
use remuda_test_databases::shared;

async fn every_scenario(target: &Target) -> Report {
    replay(target, &fn_v2()).await.unwrap()
}

async fn passes(shape: Builder, token: bool) {
    let mut cluster = shape.start().await.unwrap();
    let image = images::probe().await.unwrap();
    let front = cluster.front().base().to_owned();
    let token = match token {
        true => {
            Some(cluster.remuda("api", &["token", "create", "--role", "admin", "--all-apps"]).await.unwrap())
        }
        false => None,
    };
    let authority = cluster.nodes().iter().find_map(|node| node.trusted());
    let api = cluster.api().base().to_owned();
    let lb = Some(front).filter(|front| *front != api);
    let target = Target { api, lb, token, image: Some(image), authority, strict: true };
    let report = every_scenario(&target).await;
    assert!(report.is_same(), "{report}");
    assert_eq!(report.left_out(), 0, "{report}");
    cluster.shutdown().await.unwrap();
}

async fn url(server: fn() -> Result<&'static shared::Server, String>) -> String {
    tokio::task::spawn_blocking(move || server()?.fresh_database()).await.unwrap().unwrap()
}

/// The URLs that an API shows are the LB's, which is started after it: the LB's port must be known before.
fn behind_an_lb(scheme: &str) -> Builder {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shape = Cluster::builder().api().lb().shared_runner();
    let shape = shape.env("lb", "FN_PORT", free.to_string());
    let shape = shape.env("api", "FN_PUBLIC_LB_URL", format!("{scheme}://127.0.0.1:{free}"));
    // The scenarios provoke it: an image that cannot be had.
    shape.allow_log("Failed to pull image")
}

#[tokio::test]
async fn a_full_node_is_as_fn_on_sqlite() {
    passes(Cluster::builder().full().allow_log("Failed to pull image"), false).await;
}

#[tokio::test]
async fn an_api_node_and_an_lb_are_as_fn_on_postgresql() {
    passes(
        behind_an_lb("http").tls(Tls::SelfSigned).env("api", "FN_DB_URL", url(shared::postgres).await),
        false,
    )
    .await;
}

#[tokio::test]
async fn an_api_node_and_an_lb_are_as_fn_on_mariadb() {
    passes(
        behind_an_lb("http").tls(Tls::SelfSigned).env("api", "FN_DB_URL", url(shared::mariadb).await),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_guarded_platform_is_as_fn_to_the_holder_of_a_token() {
    let shape = behind_an_lb("https").tls(Tls::Authority).https();
    passes(shape.env("api", "FN_AUTH", "token").env("lb", "FN_AUTH", "token"), true).await;
}
