//! Large bodies, and the limits on them.

use remuda_cluster_tests::{DO, Seen, Upload, bytes, deploy};
use remuda_harness::{Builder, Cluster, FunctionId, images};
use reqwest::Method;

const SIX_MB: usize = 6 * 1024 * 1024 + 7;
const LIMIT: &str = "100000";

fn multitenant() -> Builder {
    Cluster::builder().api().lb().npm("noop").runner("blue")
}

async fn probe(cluster: &Cluster) -> FunctionId {
    let image = images::probe().await.unwrap();
    deploy(&cluster.api(), "app", &[("FN_LB_GROUP_ID", "blue")], &image).await.unwrap()
}

async fn six_megabytes_come_back_bit_for_bit(cluster: &Cluster) {
    let function = probe(cluster).await;
    let body = bytes(SIX_MB);
    let answer = cluster.front().invoke_with(&function, &[(DO, "echo")], body.clone()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), body.len());
    assert!(answer.body == body, "the body was changed on its way");

    // Of unknown length there, and in chunks back.
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(
        body.chunks(65_521).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    ));
    let answer = cluster.front().invoke_with(&function, &[(DO, "echo;chunked")], stream).await.unwrap();
    assert!(
        answer.status == 200 && answer.body == body,
        "{} with {} bytes",
        answer.status,
        answer.body.len()
    );

    let size = format!("size={SIX_MB}");
    let answer = cluster.front().invoke_with(&function, &[(DO, &size)], "").await.unwrap();
    assert_eq!(answer.body.len(), SIX_MB);
    assert!(answer.body.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251));
}

#[tokio::test]
async fn six_megabytes_pass_through_the_whole_platform_both_ways() {
    let cluster = multitenant().start().await.unwrap();
    six_megabytes_come_back_bit_for_bit(&cluster).await;
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn six_megabytes_pass_through_a_full_node_both_ways() {
    let cluster = Cluster::builder().full().start().await.unwrap();
    six_megabytes_come_back_bit_for_bit(&cluster).await;
    cluster.shutdown().await.unwrap();
}

/// With a length that is known beforehand, and without.
async fn limits_hold(cluster: &Cluster) {
    let function = probe(cluster).await;
    let front = cluster.front();
    let fits = front.invoke(&function, bytes(100_000)).await.unwrap();
    assert_eq!(Seen::of(&fits).body_bytes(), 100_000);

    let answer = front.invoke(&function, bytes(100_001)).await.unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(!answer.message().is_empty(), "{}", answer.text());
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = (0..11).map(|_| Ok(bytes(10_000))).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = front.invoke(&function, stream).await.unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());

    let fits = front.invoke_with(&function, &[(DO, "size=100000")], "").await.unwrap();
    assert_eq!((fits.status, fits.body.len()), (200, 100_000));
    for wish in ["size=100001", "size=100001;chunked"] {
        let answer = front.invoke_with(&function, &[(DO, wish)], "").await.unwrap();
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (502, "function response body too large"),
            "{wish}"
        );
    }
    assert_eq!(front.invoke(&function, "").await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_too_large_is_413_in_and_502_out_behind_an_lb() {
    let limited =
        multitenant().env("*", "FN_MAX_REQUEST_SIZE", LIMIT).env("*", "FN_MAX_RESPONSE_SIZE", LIMIT);
    let cluster = limited.start().await.unwrap();
    limits_hold(&cluster).await;
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_is_413_in_and_502_out_on_a_full_node() {
    let full = Cluster::builder().full();
    let limited = full.env("*", "FN_MAX_REQUEST_SIZE", LIMIT).env("*", "FN_MAX_RESPONSE_SIZE", LIMIT);
    let cluster = limited.start().await.unwrap();
    limits_hold(&cluster).await;
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_answer_streams_back_while_the_request_is_still_being_sent() {
    let cluster = multitenant().start().await.unwrap();
    let function = probe(&cluster).await;
    let (upload, body) = Upload::new();
    let request = cluster.front().request(Method::POST, &format!("/invoke/{}", function.0));
    let sending = tokio::spawn(request.header(DO, "echo").body(body).send());
    upload.send("first").await;
    let mut answer = sending.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first");
    upload.send("second").await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "second");
    drop(upload);
    assert_eq!(answer.chunk().await.unwrap(), None);
    cluster.shutdown().await.unwrap();
}
