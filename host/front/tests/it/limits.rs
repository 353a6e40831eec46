//! What is too large.

use crate::node::{LIMIT, Node, answer, echo, header, pieces, streamed, told};
use http_body_util::BodyExt;
use remuda_core::call::full;
use remuda_core::testing::FakeInvoker;
use remuda_core::{Body, Fault};
use remuda_front::{Options, ServeOptions};
use reqwest::Method;
use std::sync::Mutex;
use tokio::sync::oneshot;

async fn node(invoker: FakeInvoker, max_request_size: u64, max_response_size: u64) -> Node {
    let options = Options { max_request_size, max_response_size, ..Options::default() };
    Node::start_with(invoker, options, ServeOptions::default()).await
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_on_every_route() {
    let node = node(echo(), 100, 0).await;
    let path = node.with_fn().await;
    let sentence = "Content-Length too large for this server, 101 > max 100";
    for path in [path.as_str(), "/t/app/x", "/v2/apps", "/", "/nowhere"] {
        let response = node.send(Method::POST, path, vec![b'x'; 101]).await;
        let is_call = path.starts_with("/invoke") || path.starts_with("/t/");
        assert_eq!(response.headers().contains_key("fn-call-id"), is_call);
        let text = response.text().await.unwrap();
        assert_eq!(text, format!("{{\"message\":\"{}\"}}\n", sentence.replace('>', "\\u003e")), "{path}");
    }
    assert_eq!(node.send(Method::POST, &path, vec![b'x'; 100]).await.status(), 200);
}

#[tokio::test]
async fn a_client_still_sending_a_body_that_is_too_long_gets_the_reason() {
    let node = node(echo(), 100, 0).await;
    for _ in 0..5 {
        let (status, _) = told(node.send(Method::POST, "/v2/apps", vec![b'x'; 6_000_000]).await).await;
        assert_eq!(status, 413);
    }
}

fn chunked(pieces: usize) -> reqwest::Body {
    let chunks = (0..pieces).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 60]));
    reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
}

#[tokio::test]
async fn a_body_that_turns_out_too_long_is_413_whatever_the_invoker_says() {
    let collecting = |keep: bool| {
        FakeInvoker::new(move |_, body: Body| async move {
            match body.collect().await {
                Ok(whole) => Ok(answer(&[], full(whole.to_bytes()))),
                Err(fault) if keep => Err(fault),
                Err(_) => Ok(answer(&[], full("never mind"))),
            }
        })
    };
    for keep in [true, false] {
        let node = node(collecting(keep), 100, 0).await;
        let path = node.with_fn().await;
        assert_eq!(node.send(Method::POST, &path, chunked(1)).await.status(), 200);
        let response = node.send(Method::POST, &path, chunked(2)).await;
        assert_eq!(header(response.headers(), "fn-call-id").len(), 26);
        let sentence = "Request body too large for this server, more than max 100";
        assert_eq!(told(response).await, (413, sentence.to_owned()));
        assert_eq!(
            told(node.send(Method::POST, "/v2/apps", chunked(2)).await).await,
            (413, sentence.to_owned())
        );
    }
}

#[tokio::test]
async fn a_body_that_turns_out_too_long_after_the_headers_breaks_the_connection_off() {
    let node = node(echo(), 100, 0).await;
    let path = node.with_fn().await;
    let mut raw = node.connect().await;
    raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"))
        .await;
    raw.read_to("3\r\nabc\r\n").await;
    raw.write(&format!("62\r\n{}\r\n", "x".repeat(98))).await;
    assert_eq!(raw.read_to_close().await, "");
}

const TOO_LARGE: &str = "function response body too large";

#[tokio::test]
async fn an_answer_above_the_limit_is_a_502_and_one_at_the_limit_is_not() {
    for (body, fits) in [(vec![Ok("12345"), Ok("67890")], true), (vec![Ok("12345"), Ok("678901")], false)] {
        let sent = Mutex::new(Some(pieces(body)));
        let node = node(
            FakeInvoker::new(move |_, _| {
                let body = sent.lock().unwrap().take().unwrap();
                async { Ok(answer(&[("x-a", "1")], body)) }
            }),
            0,
            10,
        )
        .await;
        let response = node.send(Method::POST, &node.with_fn().await, "").await;
        if fits {
            assert_eq!(
                (header(response.headers(), "content-length"), header(response.headers(), "x-a")),
                ("10".into(), "1".into())
            );
            assert_eq!(response.text().await.unwrap(), "1234567890");
        } else {
            assert!(!response.headers().contains_key("x-a"));
            assert_eq!(told(response).await, (502, TOO_LARGE.to_owned()));
        }
    }
}

#[tokio::test]
async fn a_declared_length_decides_at_once() {
    let long =
        node(FakeInvoker::new(|_, _| async { Ok(answer(&[("content-length", "11")], streamed().1)) }), 0, 10)
            .await;
    assert_eq!(
        told(long.send(Method::POST, &long.with_fn().await, "").await).await,
        (502, TOO_LARGE.to_owned())
    );

    let (give, taken) = oneshot::channel();
    let give = Mutex::new(Some(give));
    let fitting = node(
        FakeInvoker::new(move |_, _| {
            let (sender, body) = streamed();
            give.lock().unwrap().take().unwrap().send(sender).unwrap();
            async { Ok(answer(&[("content-length", "2")], body)) }
        }),
        0,
        10,
    )
    .await;
    let response = fitting.send(Method::POST, &fitting.with_fn().await, "").await;
    assert_eq!(header(response.headers(), "content-length"), "2");
    taken.await.unwrap().send(Ok("ok".into())).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn an_event_stream_is_not_held_back() {
    let (give, taken) = oneshot::channel();
    let give = Mutex::new(Some(give));
    let node = node(
        FakeInvoker::new(move |_, _| {
            let (sender, body) = streamed();
            give.lock().unwrap().take().unwrap().send(sender).unwrap();
            async { Ok(answer(&[("content-type", "text/event-stream; charset=utf-8")], body)) }
        }),
        0,
        1000,
    )
    .await;
    let mut response = node.send(Method::POST, &node.with_fn().await, "").await;
    let sender = taken.await.unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        sender.send(Ok(event.into())).await.unwrap();
        let chunk = tokio::time::timeout(LIMIT, response.chunk()).await.unwrap().unwrap().unwrap();
        assert_eq!(chunk, event);
    }
    drop(sender);
    assert!(response.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn an_answer_that_fails_while_held_back_is_told_and_not_broken_off() {
    let body = || pieces(vec![Ok("part"), Err(Fault::timeout())]);
    let node = node(FakeInvoker::new(move |_, _| std::future::ready(Ok(answer(&[], body())))), 0, 10).await;
    let response = node.send(Method::POST, &node.with_fn().await, "").await;
    assert_eq!(told(response).await, (504, "Timed out".into()));
}

#[tokio::test]
async fn headers_above_the_limit_are_refused() {
    let listening = ServeOptions { max_header_bytes: 16 * 1024, ..ServeOptions::default() };
    let node = Node::start_with(echo(), Options::default(), listening).await;
    let request = node.client.get(node.url("/version")).header("x-long", "x".repeat(20_000));
    assert_eq!(request.send().await.unwrap().status(), 431);
    let request = node.client.get(node.url("/version")).header("x-long", "x".repeat(8_000));
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused() {
    let options =
        Options { body_read_timeout: Some(std::time::Duration::from_millis(50)), ..Options::default() };
    let node = Node::start_with(echo(), options, ServeOptions::default()).await;
    let mut raw = node.connect().await;
    raw.write("POST /v2/apps HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n{").await;
    let head = raw.read_to("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
}

#[tokio::test]
async fn a_definition_has_a_limit_of_its_own() {
    let node = Node::start(echo()).await;
    let body = format!(r#"{{"name":"a","unknown":"{}"}}"#, "x".repeat(1024 * 1024));
    let told = node.refused(Method::POST, "/v2/apps", body).await;
    assert_eq!(told, (413, "Request body too large for this server, more than max 1048576".into()));
}
