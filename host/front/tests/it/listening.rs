//! Connections, and how they end.

use crate::node::{LIMIT, Node, Raw, answer, echo};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use remuda_core::call::full;
use remuda_core::testing::FakeInvoker;
use remuda_front::{Options, ServeOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A node whose calls say that they began, and end when they are told to.
async fn held(listening: ServeOptions) -> (Node, Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (Arc::clone(&begun), Arc::clone(&go_on));
    let invoker = FakeInvoker::new(move |_, _| {
        let (begun, go_on) = signals.clone();
        async move {
            begun.notify_one();
            go_on.notified().await;
            Ok(answer(&[], full("done")))
        }
    });
    (Node::start_with(invoker, Options::default(), listening).await, begun, go_on)
}

#[tokio::test]
async fn a_stopping_node_finishes_what_it_has_and_refuses_the_rest() {
    let (node, begun, go_on) = held(ServeOptions::default()).await;
    let path = node.with_fn().await;
    let mut idle = node.connect().await;
    idle.write("GET /version HTTP/1.1\r\nhost: h\r\n\r\n").await;
    idle.read_to("}").await;
    let call = tokio::spawn({
        let (client, url) = (node.client.clone(), node.url(&path));
        async move { client.post(url).send().await.unwrap().text().await.unwrap() }
    });
    begun.notified().await;
    node.shutdown.cancel();
    idle.write("GET /version HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let answered = idle.read_to_close().await;
    assert!(answered.starts_with("HTTP/1.1 503") && answered.contains("Connection: close"), "{answered}");
    assert!(answered.ends_with("{\"message\":\"this node is shutting down\"}\n"), "{answered}");
    assert!(TcpStream::connect(node.address).await.is_err());
    go_on.notify_one();
    assert_eq!(call.await.unwrap(), "done");
    tokio::time::timeout(LIMIT, node.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_broken_off() {
    let (node, begun, _go_on) =
        held(ServeOptions { grace: Duration::from_millis(50), ..ServeOptions::default() }).await;
    let path = node.with_fn().await;
    let call = tokio::spawn(node.client.post(node.url(&path)).send());
    begun.notified().await;
    node.shutdown.cancel();
    tokio::time::timeout(LIMIT, node.served).await.unwrap().unwrap().unwrap();
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn idle_connections_do_not_keep_a_node_from_stopping() {
    let node = Node::start(echo()).await;
    let mut idle = node.connect().await;
    idle.write("GET /version HTTP/1.1\r\nhost: h\r\n\r\n").await;
    idle.read_to("}").await;
    let silent = node.connect().await;
    assert_eq!(node.get("/version").await.status(), 200);
    node.shutdown.cancel();
    tokio::time::timeout(LIMIT, node.served).await.unwrap().unwrap().unwrap();
    drop(silent);
}

#[tokio::test]
async fn http2_without_tls_is_spoken_by_prior_knowledge() {
    let (node, begun, go_on) = held(ServeOptions::default()).await;
    let path = node.with_fn().await;
    let io = TokioIo::new(TcpStream::connect(node.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |method: &str, path: &str| {
        let request = http::Request::builder().method(method).uri(node.url(path));
        request.body(Full::new(Bytes::from_static(b"hello"))).unwrap()
    };
    let version = sender.send_request(request("GET", "/version")).await.unwrap();
    assert_eq!(version.status(), 200);
    let call = tokio::spawn(sender.send_request(request("POST", &path)));
    begun.notified().await;
    assert_eq!(node.invoker.calls()[0].url, node.url(&path));
    node.shutdown.cancel();
    go_on.notify_one();
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
    tokio::time::timeout(LIMIT, node.served).await.unwrap().unwrap().unwrap();
    drop(sender);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_says_nothing_is_hung_up_on() {
    let listening =
        ServeOptions { header_read_timeout: Duration::from_millis(50), ..ServeOptions::default() };
    let node = Node::start_with(echo(), Options::default(), listening).await;
    for start in ["", "PRI * HTT", "GET /version HTTP/1.1\r\nx-"] {
        let mut raw = node.connect().await;
        raw.write(start).await;
        raw.read_to_close().await;
    }
    assert_eq!(node.get("/version").await.status(), 200);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let (node, begun, go_on) = held(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let path = node.with_fn().await;
    let mut first = node.connect().await;
    // The client that made the function gives its place up.
    let Node { client, invoker, address, .. } = node;
    drop(client);
    first
        .write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"))
        .await;
    begun.notified().await;
    let mut second = Raw(TcpStream::connect(address).await.unwrap());
    second.write("GET /version HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let answered = tokio::time::timeout(Duration::from_millis(100), second.0.readable()).await;
    assert!(answered.is_err(), "it has no place yet");
    assert_eq!(invoker.calls().len(), 1);
    go_on.notify_one();
    first.read_to_close().await;
    assert!(second.read_to_close().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_says_whom_it_is_for_once() {
    let node = Node::start(echo()).await;
    for (head, reason) in [
        ("", "the request has no Host header"),
        ("host: a\r\nhost: b\r\n", "the request has more than one Host header"),
        ("host: a b\"<script>\r\n", "the Host header is no host and port"),
        ("host: a/b?c\r\n", "the Host header is no host and port"),
        ("host: u@h\r\n", "the Host header is no host and port"),
    ] {
        let mut raw = node.connect().await;
        raw.write(&format!("GET /version HTTP/1.1\r\n{head}\r\n")).await;
        let answered = raw.read_to("}").await;
        assert!(answered.starts_with("HTTP/1.1 400") && answered.contains(reason), "{head}: {answered}");
    }
    for good in ["host: h\r\n", "host: [::1]:80\r\n", "host: a_b.example:8080\r\n"] {
        let mut raw = node.connect().await;
        raw.write(&format!("GET /version HTTP/1.1\r\n{good}\r\n")).await;
        assert!(raw.read_to("}").await.starts_with("HTTP/1.1 200"), "{good}");
    }
}
