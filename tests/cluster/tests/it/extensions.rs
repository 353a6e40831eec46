//! A binary of one's own: the example that meters calls and refuses some.

use remuda_cluster_tests::deploy;
use remuda_harness::{Cluster, images};
use reqwest::Method;

#[tokio::test]
async fn the_meter_counts_calls_for_each_app_and_refuses_those_beyond_a_share() {
    let shape = Cluster::builder().full().program("full", "meter").env("full", "METER_CALLS", "3");
    let cluster = shape.start().await.unwrap();
    let image = images::probe().await.unwrap();
    let busy = deploy(&cluster.api(), "busy", &[], &image).await.unwrap();
    let quiet = deploy(&cluster.api(), "quiet", &[], &image).await.unwrap();
    let front = cluster.front();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(front.invoke(&busy, "x").await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let refused = front.invoke(&busy, "x").await.unwrap();
    assert_eq!(refused.message(), "this app has used up its 3 calls a minute");
    assert!(!refused.header("fn-call-id").is_empty());
    assert_eq!(front.invoke(&quiet, "x").await.unwrap().status, 200, "another app has its own share");
    let report = cluster.api().ask(Method::GET, "/meter", None).await.unwrap().text();
    assert!(report.contains("busy: 3 calls, 3 refused, "), "{report}");
    assert!(report.contains("quiet: 1 calls, 0 refused, "), "{report}");
    assert!(!report.contains(", 0 bytes"), "{report}");
    cluster.shutdown().await.unwrap();
}
