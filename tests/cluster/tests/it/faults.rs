//! Functions that misbehave get the documented answer, and the platform goes on.

use remuda_cluster_tests::{DO, Seen, deploy_with};
use remuda_harness::{Builder, Cluster, FunctionSettings, images};

fn settings(config: &[(&str, &str)]) -> FunctionSettings {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    FunctionSettings { timeout_seconds: 2, config, ..FunctionSettings::default() }
}

fn multitenant() -> Builder {
    Cluster::builder().api().lb().npm("noop").runner("blue")
}

/// What the probe is asked to do, and what the caller is told.
const MISBEHAVIOUR: [(&str, u16, &str); 7] = [
    ("crash", 502, "error receiving function response"),
    ("hang", 504, "Timed out"),
    ("rubbish", 502, "error receiving function response"),
    ("sleep=60000", 504, "Timed out"),
    ("status=502", 502, "function failed"),
    ("status=504", 504, "Timed out"),
    ("status=418", 502, "invalid function response"),
];

async fn misbehaviour_is_answered_and_forgotten(cluster: &Cluster) {
    let image = images::probe().await.unwrap();
    let config = [("FN_LB_GROUP_ID", "blue")];
    let function = deploy_with(&cluster.api(), "app", &config, &image, &settings(&[])).await.unwrap();
    let front = cluster.front();
    for (wish, status, message) in MISBEHAVIOUR {
        let answer = front.invoke_with(&function, &[(DO, wish)], "x").await.unwrap();
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (status, message),
            "{wish}: {}",
            answer.text()
        );
        assert!(
            answer.header("content-type").starts_with("application/json"),
            "{wish}: {:?}",
            answer.headers
        );
        let after = Seen::of(&front.invoke(&function, "still there").await.unwrap());
        assert_eq!(after.body(), "still there", "after {wish}");
    }
}

#[tokio::test]
async fn a_function_that_misbehaves_on_a_full_node_harms_nobody() {
    let cluster = Cluster::builder().full().start().await.unwrap();
    misbehaviour_is_answered_and_forgotten(&cluster).await;
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_function_that_misbehaves_behind_an_lb_harms_nobody() {
    let cluster = multitenant().start().await.unwrap();
    misbehaviour_is_answered_and_forgotten(&cluster).await;
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_function_that_does_not_start_says_so() {
    let cluster = multitenant().env("runners", "FN_HOT_START_TIMEOUT_MSECS", "1500").start().await.unwrap();
    let (api, front) = (cluster.api(), cluster.front());
    let image = images::probe().await.unwrap();
    let group = [("FN_LB_GROUP_ID", "blue")];
    let starts = [
        ("exit", 502, "Container failed to initialize"),
        ("never", 504, "Container initialization timed out"),
    ];
    for (init, status, message) in starts {
        let wish = settings(&[("PROBE_INIT", init)]);
        let function = deploy_with(&api, init, &group, &image, &wish).await.unwrap();
        let answer = front.invoke(&function, "").await.unwrap();
        assert_eq!(answer.status, status, "{init}: {}", answer.text());
        assert!(answer.message().starts_with(message), "{init}: {}", answer.text());
    }
    let late = settings(&[("PROBE_INIT", "late:300")]);
    let function = deploy_with(&api, "late", &group, &image, &late).await.unwrap();
    assert_eq!(front.invoke(&function, "").await.unwrap().status, 200);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_named_in_the_answer() {
    let cluster = multitenant().allow_log("pull").start().await.unwrap();
    let image = "127.0.0.1:1/no/such:image";
    let config = [("FN_LB_GROUP_ID", "blue")];
    let function = deploy_with(&cluster.api(), "app", &config, image, &settings(&[])).await.unwrap();
    let answer = cluster.front().invoke(&function, "").await.unwrap();
    assert!((400..=502).contains(&answer.status), "{} {}", answer.status, answer.text());
    assert!(answer.message().starts_with(&format!("Failed to pull image '{image}'")), "{}", answer.text());
    cluster.shutdown().await.unwrap();
}
