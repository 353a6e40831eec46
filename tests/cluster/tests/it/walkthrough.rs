//! Fn's walk-through of the multitenant mode, typed as it stands there: these variables, these ports, one
//! certificate for everything, made with openssl. The ports must be free: stop `cargo xtask up` first.

use std::net::UdpSocket;
use std::path::Path;

use remuda_cluster_tests::Seen;
use remuda_harness::certificates::{self, OpenSsl};
use remuda_harness::{Builder, Cluster, daemons, images, process};
use reqwest::Method;
use serde_json::json;

/// The table of processes: node, variable, value. Every node runs in the directory that holds the files.
const PROCESSES: &[(&str, &str, &str)] = &[
    ("api", "FN_NODE_TYPE", "api"),
    ("runner", "FN_NODE_TYPE", "pure-runner"),
    ("runner", "FN_PORT", "8082"),
    ("runner", "FN_NODE_CERT", "cert.pem"),
    ("runner", "FN_NODE_CERT_AUTHORITY", "cert.pem"),
    ("runner", "FN_NODE_CERT_KEY", "key.pem"),
    ("lb", "FN_NODE_TYPE", "lb"),
    ("lb", "FN_PORT", "8081"),
    ("lb", "FN_RUNNER_API_URL", "http://localhost:8080"),
    ("lb", "FN_NODE_CERT", "cert.pem"),
    ("lb", "FN_NODE_CERT_AUTHORITY", "cert.pem"),
    ("lb", "FN_NPM_ADDRESS", "localhost:8083"),
    ("lb", "FN_NODE_CERT_KEY", "key.pem"),
    ("lb", "FN_LOG_LEVEL", "DEBUG"),
    ("npm", "FN_LOG_LEVEL", "DEBUG"),
    ("npm", "FN_NODE_CERT", "cert.pem"),
    ("npm", "FN_NODE_CERT_KEY", "key.pem"),
    ("npm", "FN_NODE_CERT_AUTHORITY", "cert.pem"),
    ("npm", "FN_PORT", "8083"),
    ("npm", "CONTROL_PLANE_SO", "noop.so"),
];

/// The static mode: no NPM, no certificates, two runners.
const STATIC_PROCESSES: &[(&str, &str, &str)] = &[
    ("api", "FN_NODE_TYPE", "api"),
    ("runner", "FN_NODE_TYPE", "pure-runner"),
    ("runner", "FN_GRPC_PORT", "9190"),
    ("runner", "FN_PORT", "8095"),
    ("runner-2", "FN_NODE_TYPE", "pure-runner"),
    ("runner-2", "FN_GRPC_PORT", "9191"),
    ("runner-2", "FN_PORT", "8096"),
    ("lb", "FN_NODE_TYPE", "lb"),
    ("lb", "FN_PORT", "8081"),
    ("lb", "FN_RUNNER_API_URL", "http://localhost:8080"),
];

fn typed(builder: Builder, variables: &[(&str, &str, &str)], directory: &Path) -> Builder {
    let builder = builder.only_given_variables().working_directory(directory);
    variables.iter().fold(builder, |all, (node, name, value)| all.env(node, name, *value))
}

/// The address that the machine would send from: nothing is sent for finding it out.
fn own_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let routed = socket.connect("192.0.2.254:9").and_then(|()| socket.local_addr());
    routed.map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

/// Creates the app, puts it into its group as the CLI does, and calls its function through the LB.
async fn the_app_answers(cluster: &Cluster, name: &str) {
    let api = cluster.api();
    let image = images::probe().await.unwrap();
    let app = api.create_app(name, &[]).await.unwrap();
    let config = json!({ "config": { "FN_LB_GROUP_ID": "my-app-pool" } });
    api.send(Method::PUT, &format!("/v2/apps/{}", app.0), Some(&config)).await.unwrap();
    let function = api.create_function(&app, "f", &image).await.unwrap();
    api.create_trigger(&app, &function, "t", "/hello").await.unwrap();
    let front = cluster.front();
    let seen = Seen::of(&front.invoke(&function, "hello").await.unwrap());
    assert_eq!((seen.body(), seen.variable("FN_LB_GROUP_ID")), ("hello", "my-app-pool"));
    assert_eq!(Seen::of(&front.trigger(name, "/hello", "again").await.unwrap()).body(), "again");
}

/// The ports are what an operator types: one of these tests at a time.
const PORTS: &str = "the-walk-throughs-ports";

async fn runs_as_written(kind: OpenSsl) {
    let _ports = process::exclusive(PORTS).unwrap();
    let directory = tempfile::tempdir().unwrap();
    certificates::openssl(directory.path(), kind).await.unwrap();
    let noop = daemons::get().await.unwrap().plugin("noop").unwrap();
    std::fs::copy(noop, directory.path().join("noop.so")).unwrap();

    let own = own_address();
    let shape = Cluster::builder().api().lb().npm("noop").shared_runner();
    let mut cluster = typed(shape, PROCESSES, directory.path())
        .env("npm", "FN_RUNNER_ADDRESSES", format!("{own}:9190"))
        .start()
        .await
        .unwrap();
    the_app_answers(&cluster, "myapp").await;
    assert!(directory.path().join("data").is_dir(), "the API node keeps its database under ./data");

    // The certificate names localhost and 127.0.0.1 only; all three ways of dialling work.
    for (host, app) in
        [("localhost", "by-name"), ("127.0.0.1", "by-loopback"), (own.as_str(), "by-own-address")]
    {
        cluster.node("lb").stop().await.unwrap();
        cluster.node("npm").set_variable("FN_RUNNER_ADDRESSES", &format!("{host}:9190"));
        cluster.node("npm").restart().await.unwrap();
        cluster.node("lb").set_variable("FN_NPM_ADDRESS", &format!("{host}:8083"));
        cluster.node("lb").restart().await.unwrap();
        the_app_answers(&cluster, app).await;
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_walk_through_runs_as_written() {
    runs_as_written(OpenSsl::WalkThrough).await;
}

#[tokio::test]
async fn the_walk_through_runs_as_written_with_a_certificate_that_is_an_authority() {
    runs_as_written(OpenSsl::WithCa).await;
}

#[tokio::test]
async fn the_static_mode_runs_as_written() {
    let _ports = process::exclusive(PORTS).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let own = own_address();
    let shape = Cluster::builder().api().lb().shared_runner().shared_runner().allow_log("clear");
    let cluster = typed(shape, STATIC_PROCESSES, directory.path())
        .env("lb", "FN_RUNNER_ADDRESSES", format!("{own}:9190,{own}:9191"))
        .start()
        .await
        .unwrap();
    the_app_answers(&cluster, "myapp").await;
    cluster.shutdown().await.unwrap();
}
