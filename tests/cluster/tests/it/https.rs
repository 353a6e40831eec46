//! HTTP over TLS, and certificates that change under a node that runs.

use std::path::Path;
use std::time::Duration;

use remuda_cluster_tests::{Seen, probe_in_group};
use remuda_harness::{Cluster, Tls, certificates, daemons, until};

#[tokio::test]
async fn a_whole_cluster_speaks_https() {
    let shape = Cluster::builder().api().lb().npm("noop").runner("blue").tls(Tls::Authority).https();
    let cluster = shape.start().await.unwrap();
    assert!(cluster.api().base().starts_with("https://") && cluster.front().base().starts_with("https://"));
    let function = probe_in_group(&cluster, "blue").await.unwrap();
    let answer = cluster.front().invoke(&function, "x").await.unwrap();
    assert_eq!(Seen::of(&answer).body(), "x");
    let stored =
        cluster.api().send(reqwest::Method::GET, &format!("/v2/fns/{}", function.0), None).await.unwrap();
    let endpoint = stored["annotations"]["fnproject.io/fn/invokeEndpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("https://"), "{endpoint}");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_shared_self_signed_certificate_is_enough_for_https_too() {
    let shape = Cluster::builder().api().lb().npm("noop").runner("blue").tls(Tls::SelfSigned).https();
    let cluster = shape.start().await.unwrap();
    let function = probe_in_group(&cluster, "blue").await.unwrap();
    assert_eq!(cluster.front().invoke(&function, "x").await.unwrap().status, 200);
    cluster.shutdown().await.unwrap();
}

fn copy(from: &Path, to: &Path, files: &[(&str, &str)]) {
    for (source, target) in files {
        std::fs::copy(from.join(source), to.join(target)).unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_in_force_without_a_restart_and_a_broken_one_is_not() {
    let (used, first, second) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let daemons = daemons::get().await.unwrap();
    for made in [&first, &second] {
        certificates::authority(daemons, made.path(), &["api".to_owned()]).await.unwrap();
    }
    let files = [("api.pem", "cert.pem"), ("api.key", "key.pem"), ("ca.pem", "ca.pem")];
    copy(first.path(), used.path(), &files);
    let text = |file: &str| used.path().join(file).display().to_string();
    let mut cluster = Cluster::builder()
        .api()
        .env("api", "FN_HTTP_CERT", text("cert.pem"))
        .env("api", "FN_HTTP_CERT_KEY", text("key.pem"))
        .env("api", "FN_NODE_CERT_AUTHORITY", text("ca.pem"))
        .allow_log("the ones before stay in force")
        .start()
        .await
        .unwrap();
    let serves =
        async |api: remuda_harness::Api| api.ask(reqwest::Method::GET, "/version", None).await.is_ok();
    assert!(serves(cluster.api()).await);

    std::fs::write(used.path().join("cert.pem"), "no certificate").unwrap();
    cluster.node("api").wait_for_log("the ones before stay in force", Duration::from_secs(15)).await.unwrap();
    assert!(serves(cluster.api()).await);

    copy(second.path(), used.path(), &files);
    // The client reads the authority when it is made: it trusts the second one only.
    until("the new certificate", Duration::from_secs(15), async || serves(cluster.api()).await)
        .await
        .unwrap();
    cluster.shutdown().await.unwrap();
}
