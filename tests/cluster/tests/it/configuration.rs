//! Wrong configuration: every mistake at once, with what to do, and exit 64.

use std::time::Duration;

use remuda_harness::daemons;

const WITHIN: Duration = Duration::from_secs(20);

async fn refused(program: &str, variables: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (status, stderr) = daemons::attempt(program, variables, directory.path(), WITHIN).await.unwrap();
    assert_eq!(status.code(), Some(64), "{program} with {variables:?} ended with {status}:\n{stderr}");
    stderr
}

#[track_caller]
fn assert_names(text: &str, all: &[&str]) {
    for one in all {
        assert!(text.contains(one), "{one:?} is not named in:\n{text}");
    }
}

#[tokio::test]
async fn an_lb_lists_all_that_is_missing_or_wrong() {
    let said = refused(
        "fnserver",
        &[("FN_NODE_TYPE", "lb"), ("FN_PORT", "eighty"), ("FN_NODE_CERT", "/no/such/cert.pem")],
    )
    .await;
    assert_names(&said, &["FN_PORT", "eighty", "FN_RUNNER_API_URL", "FN_NPM_ADDRESS", "FN_RUNNER_ADDRESSES"]);
    assert_names(&said, &["FN_NODE_CERT_KEY", "FN_NODE_CERT_AUTHORITY"]);
}

#[tokio::test]
async fn an_unknown_node_type_is_answered_with_the_list_of_those_there_are() {
    let said = refused("fnserver", &[("FN_NODE_TYPE", "runner")]).await;
    assert_names(&said, &["FN_NODE_TYPE", "runner", "full", "api", "lb", "pure-runner"]);
}

#[tokio::test]
async fn a_runner_lists_all_that_is_wrong() {
    let variables = [
        ("FN_NODE_TYPE", "pure-runner"),
        ("FN_GRPC_PORT", "-1"),
        ("FN_HOT_START_TIMEOUT_MSECS", "soon"),
        ("FN_MAX_TOTAL_MEMORY_BYTES", "much"),
    ];
    let said = refused("fnserver", &variables).await;
    assert_names(
        &said,
        &["FN_GRPC_PORT", "-1", "FN_HOT_START_TIMEOUT_MSECS", "soon", "FN_MAX_TOTAL_MEMORY_BYTES"],
    );
    assert_names(&said, &["much"]);
}

#[tokio::test]
async fn an_npm_lists_all_that_is_missing() {
    let said = refused("fnnpm", &[]).await;
    assert_names(&said, &["CONTROL_PLANE_SO", "FN_NODE_CERT", "FN_NODE_CERT_KEY", "FN_NODE_CERT_AUTHORITY"]);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let rubbish = directory.path().join("cert.pem");
    std::fs::write(&rubbish, "not a certificate").unwrap();
    let file = rubbish.to_str().unwrap();
    let variables = [
        ("FN_NODE_TYPE", "pure-runner"),
        ("FN_NODE_CERT", file),
        ("FN_NODE_CERT_KEY", "/no/such/key.pem"),
        ("FN_NODE_CERT_AUTHORITY", file),
    ];
    let said = refused("fnserver", &variables).await;
    assert_names(&said, &["FN_NODE_CERT", file, "/no/such/key.pem"]);
}
