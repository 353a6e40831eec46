//! Who trusts whom: mutual TLS between LB, NPM and runners.

use std::path::Path;
use std::time::Duration;

use remuda_cluster_tests::{Seen, probe_in_group};
use remuda_harness::certificates::{self, Identity, OpenSsl};
use remuda_harness::{Builder, Cluster, Tls, complaints, daemons, process, until};

async fn a_call_comes_through(tls: Tls) {
    let cluster = Cluster::builder().api().lb().npm("noop").runner("blue").tls(tls).start().await.unwrap();
    let function = probe_in_group(&cluster, "blue").await.unwrap();
    assert_eq!(Seen::of(&cluster.front().invoke(&function, "x").await.unwrap()).body(), "x");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_self_signed_certificate_for_all_is_enough() {
    a_call_comes_through(Tls::SelfSigned).await;
}

#[tokio::test]
async fn one_self_signed_certificate_that_calls_itself_an_authority_is_enough() {
    a_call_comes_through(Tls::SelfSignedCa).await;
}

#[tokio::test]
async fn an_authority_with_a_leaf_for_each_node_is_trusted() {
    a_call_comes_through(Tls::Authority).await;
}

/// How long a peer may take to say in its log that it refuses, or was refused.
const TELLS_WITHIN: Duration = Duration::from_secs(20);

fn with_identity(builder: Builder, node: &str, identity: &Identity) -> Builder {
    identity.variables().into_iter().fold(builder, |all, (name, value)| all.env(node, &name, value))
}

/// A call finds no runner, and LB and runner have warned why: with these words.
async fn is_refused(mut cluster: Cluster, group: &str, runner: &str, at_lb: &str, at_runner: &str) {
    let function = probe_in_group(&cluster, group).await.unwrap();
    let front = cluster.front();
    // The LB goes on looking for a runner that it may talk to, for as long as its caller waits.
    let call = tokio::spawn(async move { front.invoke(&function, "").await.map(|answer| answer.status) });
    for (node, reason) in [("lb", at_lb), (runner, at_runner)] {
        let what = format!("a warning of {node} that says {reason:?}");
        let told = until(&what, TELLS_WITHIN, async || {
            let complaints = complaints(&cluster.node(node).log());
            complaints.iter().any(|complaint| complaint.text.contains(reason))
        });
        told.await.unwrap();
        cluster.allow_log(reason);
    }
    assert!(!call.is_finished(), "the call was answered: {:?}", call.await);
    call.abort();
    assert_eq!(cluster.containers_of(runner).await.unwrap(), Vec::<String>::new());
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_runner_of_another_authority_is_refused_and_both_logs_say_why() {
    let foreign = tempfile::tempdir().unwrap();
    certificates::authority(daemons::get().await.unwrap(), foreign.path(), &["green".to_owned()])
        .await
        .unwrap();
    let identity = Identity::of_node(foreign.path(), "green");
    let shape = Cluster::builder().api().lb().npm("noop").runner("blue").runner("green").tls(Tls::Authority);
    let cluster = with_identity(shape, "green", &identity).start().await.unwrap();
    let blue = probe_in_group(&cluster, "blue").await.unwrap();
    assert_eq!(cluster.front().invoke(&blue, "").await.unwrap().status, 200);
    is_refused(cluster, "green", "green", "its certificate is not trusted", "it refused us").await;
}

/// All share the certificate, so only its dates can be the reason.
#[tokio::test]
async fn an_expired_certificate_is_refused_even_when_all_nodes_share_it() {
    let directory = tempfile::tempdir().unwrap();
    let identity = certificates::openssl(directory.path(), OpenSsl::Expired).await.unwrap();
    let shape = Cluster::builder().api().lb().shared_runner();
    let shape = with_identity(shape, "lb", &identity);
    let cluster = with_identity(shape, "runners", &identity).start().await.unwrap();
    is_refused(cluster, "default", "runner", "expired", "expired").await;
}

#[tokio::test]
async fn an_lb_without_a_certificate_is_refused_by_a_runner_that_wants_one() {
    let directory = tempfile::tempdir().unwrap();
    let identity =
        certificates::self_signed(daemons::get().await.unwrap(), directory.path(), false).await.unwrap();
    let shape = Cluster::builder().api().lb().shared_runner().allow_log("calls go to runners in clear");
    let cluster = with_identity(shape, "runners", &identity).start().await.unwrap();
    is_refused(cluster, "default", "runner", "cannot be reached", "it does not speak TLS").await;
}

/// A client that speaks TLS but shows no certificate, here openssl's own.
#[tokio::test]
async fn a_client_that_shows_no_certificate_is_turned_away() {
    let directory = tempfile::tempdir().unwrap();
    let identity =
        certificates::self_signed(daemons::get().await.unwrap(), directory.path(), false).await.unwrap();
    let shape = Cluster::builder().npm("noop").shared_runner().allow_log("ertificate").allow_log("andshake");
    let mut cluster = with_identity(shape, "*", &identity).start().await.unwrap();
    for node in ["runner", "npm"] {
        let address = cluster.node(node).grpc();
        let said = dial_without_certificate(&address, &identity.authority).await;
        assert!(said.contains("certificate required") || said.contains("alert"), "{node} let it in:\n{said}");
        let log = cluster.node(node);
        log.wait_for_log("ertificate", Duration::from_secs(10)).await.unwrap();
    }
    cluster.shutdown().await.unwrap();
}

/// TLS 1.3 refuses after the client believes to be connected: read until the other side has said so.
async fn dial_without_certificate(address: &str, authority: &Path) -> String {
    let authority = authority.display();
    let line = format!(
        "timeout 10 openssl s_client -ign_eof -connect {address} -CAfile '{authority}' </dev/null 2>&1 || true"
    );
    process::shell(&line, Duration::from_secs(20)).await.unwrap()
}

#[tokio::test]
async fn tls_1_2_is_spoken_too_and_1_1_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let identity = certificates::openssl(directory.path(), OpenSsl::WalkThrough).await.unwrap();
    let shape = Cluster::builder().npm("noop").shared_runner().allow_log("a connection was refused");
    let mut cluster = with_identity(shape, "*", &identity).start().await.unwrap();
    let address = cluster.node("runner").grpc();
    let files = format!(
        "-cert '{0}/cert.pem' -key '{0}/key.pem' -CAfile '{0}/cert.pem' -alpn h2",
        directory.path().display()
    );
    for (version, works) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        let line = format!(
            "timeout 10 openssl s_client -connect {address} {files} {version} -brief </dev/null 2>&1 || true"
        );
        let said = process::shell(&line, Duration::from_secs(20)).await.unwrap();
        assert_eq!(said.contains("CONNECTION ESTABLISHED"), works, "{version}:\n{said}");
    }
    cluster.shutdown().await.unwrap();
}
