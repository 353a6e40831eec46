//! Invocations: what the function is given, and what the client.

use crate::node::{LIMIT, Node, answer, echo, failing, header, pieces, saying, streamed, told};
use bytes::Bytes;
use http_body_util::BodyExt;
use remuda_core::call::{empty, full};
use remuda_core::port::Definitions;
use remuda_core::testing::FakeInvoker;
use remuda_core::{Answer, Fault, Kind, Mode};
use reqwest::Method;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

#[tokio::test]
async fn a_function_is_invoked_with_its_merged_settings() {
    let node = Node::start(echo()).await;
    let path = node.with_fn().await;
    let app = node.catalog.app_named("app").await.unwrap();
    node.put(Method::PUT, &format!("/v2/apps/{}", app.id), json!({"config": {"FN_LB_GROUP_ID": "blue"}}))
        .await;
    let request = node.client.post(node.url(&path)).header("x-a", "1").header("content-type", "text/odd");
    let response = request.body("hello").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let call_id = header(response.headers(), "fn-call-id");
    assert_eq!(response.text().await.unwrap(), "hello");
    let calls = node.invoker.calls();
    let call = &calls[0];
    assert_eq!(
        (call.id.as_str(), call.target.group.as_str(), call.mode),
        (call_id.as_str(), "blue", Mode::Sync)
    );
    assert_eq!(call.url, node.url(&path));
    assert_eq!(call.headers["x-a"], "1");
    assert_eq!(call.headers["content-type"], "text/odd");
    assert!(!call.headers.contains_key("host") && !call.headers.contains_key("content-length"));

    node.send(Method::POST, &path, "").await;
    let calls = node.invoker.calls();
    assert!(Arc::ptr_eq(&calls[0].target, &calls[1].target));
    assert_ne!(calls[0].id, calls[1].id);
}

#[tokio::test]
async fn a_direct_answer_keeps_its_headers_and_is_always_200() {
    let headers = &[
        ("fn-http-status", "404"),
        ("fn-http-h-x", "1"),
        ("fn-fdk-version", "fdk"),
        ("content-length", "4"),
        ("fn-call-id", "the function's own"),
        ("connection", "close"),
    ];
    let node = Node::start(saying(headers, "text")).await;
    let response = node.send(Method::POST, &node.with_fn().await, "").await;
    assert_eq!(response.status(), 200);
    for (name, value) in
        [("fn-http-status", "404"), ("fn-http-h-x", "1"), ("fn-fdk-version", "fdk"), ("content-length", "4")]
    {
        assert_eq!(header(response.headers(), name), value);
    }
    assert_eq!(header(response.headers(), "fn-call-id").len(), 26);
    assert!(!response.headers().contains_key("connection"));
    assert_eq!(response.text().await.unwrap(), "text");
}

#[tokio::test]
async fn a_trigger_gives_the_function_the_request_and_the_client_the_response() {
    let headers = &[
        ("content-type", "text/odd"),
        ("fn-http-status", "418"),
        ("fn-http-h-x-b", "1"),
        ("fn-http-h-fn-call-id", "spoof"),
        ("fn-fdk-version", "fdk"),
    ];
    let node = Node::start(saying(headers, "text")).await;
    let path = node.with_trigger().await;
    let request =
        node.client.put(node.url("/t/app/x?q=1")).header("x-a", "1").header("content-type", "text/in");
    let response = request.header("fn-intent", "spoof").body("hello").send().await.unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(
        (header(response.headers(), "content-type"), header(response.headers(), "x-b")),
        ("text/odd".into(), "1".into())
    );
    assert_eq!(header(response.headers(), "fn-call-id").len(), 26);
    assert!(
        !response.headers().contains_key("fn-fdk-version")
            && !response.headers().contains_key("fn-http-status")
    );
    assert_eq!(response.text().await.unwrap(), "text");
    let calls = node.invoker.calls();
    for (name, value) in [
        ("fn-intent", "httprequest"),
        ("fn-http-method", "PUT"),
        ("fn-http-request-url", &node.url(&format!("{path}?q=1"))),
        ("fn-http-h-x-a", "1"),
        ("fn-http-h-fn-intent", "spoof"),
        ("fn-http-h-content-length", "5"),
        ("content-type", "text/in"),
    ] {
        assert_eq!(calls[0].headers[name], value, "{name}");
    }
    assert!(!calls[0].headers.contains_key("x-a") && calls[0].trigger_id.is_some());
}

#[tokio::test]
async fn a_trigger_matches_its_source_exactly_and_takes_every_method() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    let function = node.create_fn(&app, "f").await;
    node.create_trigger(&app, &function, "root", "/").await;
    node.create_trigger(&app, &function, "deep", "/a/b").await;
    for path in ["/t/app", "/t/app/", "/t/app/a/b", "/t/app/a%2Fb?x"] {
        for method in [Method::GET, Method::DELETE, Method::HEAD, Method::OPTIONS] {
            assert_eq!(node.send(method, path, "").await.status(), 200, "{path}");
        }
    }
    for path in ["/t/app/a", "/t/app/a/b/", "/t/app//a/b", "/t/app/A/b"] {
        let response = node.get(path).await;
        assert_eq!(header(response.headers(), "fn-call-id").len(), 26);
        assert_eq!(told(response).await, (404, "Trigger not found".into()), "{path}");
    }
    assert_eq!(told(node.get("/t/nobody/x").await).await, (404, "App not found".into()));
    let nobody = node.send(Method::POST, "/invoke/nobody", "").await;
    assert_eq!(header(nobody.headers(), "fn-call-id").len(), 26);
    assert_eq!(told(nobody).await, (404, "Fn not found".into()));
}

#[tokio::test]
async fn a_response_without_a_body_still_lets_the_function_finish() {
    let (done, finished) = oneshot::channel();
    let done = Mutex::new(Some(done));
    let node = Node::start(FakeInvoker::new(move |_, _| {
        let (sender, body) = streamed();
        let done = done.lock().unwrap().take();
        tokio::spawn(async move {
            for _ in 0..20 {
                sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
            }
            done.unwrap().send(()).unwrap();
        });
        async move { Ok(answer(&[("fn-http-status", "204")], body)) }
    }))
    .await;
    let response = node.get(&node.with_trigger().await).await;
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (204, ""));
    finished.await.unwrap();
}

#[tokio::test]
async fn a_detached_call_is_accepted_without_an_answer() {
    let node = Node::start(FakeInvoker::new(|call, body| async move {
        let sent = body.collect().await?.to_bytes();
        assert_eq!((call.mode, &sent[..]), (Mode::Detached, &b"in"[..]));
        Ok(Answer::accepted())
    }))
    .await;
    let direct = node.with_fn().await;
    let app = node.catalog.app_named("app").await.unwrap();
    let function = node.create_fn(app.id.as_str(), "g").await;
    node.create_trigger(app.id.as_str(), &function, "t", "/x").await;
    for path in [direct.as_str(), "/t/app/x"] {
        let request = node.client.post(node.url(path)).header("Fn-Invoke-Type", "detached").body("in");
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), header(response.headers(), "content-length")),
            (202, "0".into())
        );
        assert_eq!(header(response.headers(), "fn-call-id").len(), 26);
        assert_eq!(response.text().await.unwrap(), "");
    }
}

#[tokio::test]
async fn faults_are_told_as_json_with_the_calls_id() {
    for (fault, status, message) in [
        (Fault::busy(), 503, "Timed out - server too busy"),
        (Fault::timeout(), 504, "Timed out"),
        (Fault::user(Kind::FunctionFailed, "function failed"), 502, "function failed"),
        (Fault::service(Kind::Foreign(429), "slow down"), 429, "slow down"),
        (Fault::service(Kind::Foreign(0), "odd"), 500, "odd"),
        (Fault::service(Kind::Internal, "a secret").caused_by("disk"), 500, "internal server error"),
    ] {
        let busy = fault.kind == Kind::Busy;
        let node = Node::start(failing(fault)).await;
        for (method, path) in [(Method::POST, node.with_fn().await), (Method::POST, "/t/app/none".into())] {
            let response = node.send(method, &path, "body").await;
            assert_eq!(header(response.headers(), "fn-call-id").len(), 26);
            if path.starts_with("/invoke") {
                assert_eq!(response.headers().get("retry-after").map(|v| v == "15"), busy.then_some(true));
                assert_eq!(told(response).await, (status, message.to_owned()));
            } else {
                assert_eq!(response.status(), 404);
            }
        }
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let node = Node::start(echo()).await;
    let path = node.with_fn().await;
    let mut raw = node.connect().await;
    raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"))
        .await;
    let head = raw.read_to("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("Transfer-Encoding: chunked"), "{head}");
    raw.read_to("2\r\nab\r\n").await;
    raw.write("3\r\ncde\r\n").await;
    raw.read_to("3\r\ncde\r\n").await;
    raw.write("0\r\n\r\n").await;
    raw.read_to("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_large_body_comes_through_bit_for_bit() {
    let node = Node::start(echo()).await;
    let path = node.with_fn().await;
    let sent: Vec<u8> = (0..6_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let response = node.send(Method::POST, &path, sent.clone()).await;
    assert!(response.bytes().await.unwrap() == sent);
}

#[tokio::test]
async fn a_body_that_fails_after_the_headers_breaks_the_connection_off() {
    let (give, taken) = oneshot::channel();
    let give = Mutex::new(Some(give));
    let node = Node::start(FakeInvoker::new(move |_, _| {
        let (sender, body) = streamed();
        give.lock().unwrap().take().unwrap().send(sender).unwrap();
        async move { Ok(answer(&[], body)) }
    }))
    .await;
    let path = node.with_fn().await;
    let mut raw = node.connect().await;
    raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n")).await;
    let sender = taken.await.unwrap();
    sender.send(Ok(Bytes::from_static(b"part"))).await.unwrap();
    let begin = raw.read_to("4\r\npart\r\n").await;
    assert!(begin.starts_with("HTTP/1.1 200"), "{begin}");
    sender.send(Err(Fault::user(Kind::FunctionFailed, "error receiving function response"))).await.unwrap();
    assert_eq!(raw.read_to_close().await, "");
}

#[tokio::test]
async fn the_head_goes_out_even_when_the_failure_is_already_there() {
    let node = Node::start(FakeInvoker::new(|_, _| async {
        let failed = Fault::user(Kind::FunctionFailed, "error receiving function response");
        Ok(answer(&[], pieces(vec![Ok("part"), Err(failed)])))
    }))
    .await;
    let path = node.with_fn().await;
    for _ in 0..20 {
        let mut raw = node.connect().await;
        raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n")).await;
        let received = raw.read_to_close().await;
        assert!(received.starts_with("HTTP/1.1 200") && received.ends_with("4\r\npart\r\n"), "{received:?}");
    }
}

/// Whatever the moment at which a body fails, and on whatever threads: a client is told, or gets what came before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_body_never_makes_an_empty_reply() {
    let failed = || Err(Fault::user(Kind::FunctionFailed, "error receiving function response"));
    let length: &[(&'static str, &'static str)] = &[("content-length", "9")];
    for (headers, data) in [(&[][..], &[][..]), (&[], &["part"]), (length, &["part"]), (&[], &["", "a", "b"])]
    {
        for late in [false, true] {
            let node = Node::start(FakeInvoker::new(move |_, _| async move {
                let (sender, body) = streamed();
                let frames: Vec<_> =
                    data.iter().map(|piece| Ok(Bytes::from(*piece))).chain([failed()]).collect();
                if late {
                    tokio::spawn(async move {
                        for frame in frames {
                            let _ = sender.send(frame).await;
                        }
                    });
                } else {
                    for frame in frames {
                        sender.try_send(frame).unwrap();
                    }
                }
                Ok(answer(headers, body))
            }))
            .await;
            let path = node.with_fn().await;
            for _ in 0..50 {
                let mut raw = node.connect().await;
                raw.write(&format!(
                    "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
                ))
                .await;
                let received = raw.read_to_close().await;
                let told = received.starts_with("HTTP/1.1 502") && received.ends_with("}\n");
                let begun = received.starts_with("HTTP/1.1 200")
                    && received.contains("\r\n\r\n")
                    && data.iter().all(|piece| received.contains(*piece))
                    && !received.ends_with("\r\n0\r\n\r\n");
                assert!(told && data.is_empty() || begun, "{data:?}, late: {late}: {received:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_failed_before_its_first_byte_is_told() {
    let node = Node::start(FakeInvoker::new(|_, _| async {
        Ok(answer(&[("content-length", "9")], pieces(vec![Err(Fault::timeout())])))
    }))
    .await;
    let response = node.send(Method::POST, &node.with_fn().await, "").await;
    assert_ne!(header(response.headers(), "content-length"), "9");
    assert_eq!(told(response).await, (504, "Timed out".into()));
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_said_breaks_the_connection_off() {
    for said in ["9", "2"] {
        let headers: &'static [(&'static str, &'static str)] =
            if said == "9" { &[("content-length", "9")] } else { &[("content-length", "2")] };
        let node = Node::start(FakeInvoker::new(move |_, _| async move {
            Ok(answer(headers, pieces(vec![Ok("four")])))
        }))
        .await;
        let path = node.with_fn().await;
        let received = async { node.client.post(node.url(&path)).send().await?.bytes().await };
        assert!(received.await.is_err(), "{said}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    struct Tell(Option<oneshot::Sender<()>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (begun, started) = oneshot::channel();
    let (dropped, ended) = oneshot::channel();
    let signals = Mutex::new(Some((begun, Tell(Some(dropped)))));
    let node = Node::start(FakeInvoker::new(move |_, _| {
        let (begun, tell) = signals.lock().unwrap().take().unwrap();
        async move {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(tell);
            Ok(answer(&[], empty()))
        }
    }))
    .await;
    let path = node.with_fn().await;
    let mut raw = node.connect().await;
    raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n")).await;
    started.await.unwrap();
    drop(raw);
    tokio::time::timeout(LIMIT, ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_during_the_answer_drops_its_body() {
    let (give, taken) = oneshot::channel();
    let give = Mutex::new(Some(give));
    let node = Node::start(FakeInvoker::new(move |_, _| {
        let (sender, body) = streamed();
        give.lock().unwrap().take().unwrap().send(sender).unwrap();
        async move { Ok(answer(&[], body)) }
    }))
    .await;
    let path = node.with_fn().await;
    let mut raw = node.connect().await;
    raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n")).await;
    let sender = taken.await.unwrap();
    sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
    raw.read_to("1\r\nx\r\n").await;
    drop(raw);
    tokio::time::timeout(LIMIT, sender.closed()).await.unwrap();
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_was_read() {
    let node = Node::start(FakeInvoker::new(|_, _| async { Ok(answer(&[], full("early"))) })).await;
    let path = node.with_fn().await;
    let mut raw = node.connect().await;
    raw.write(&format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\nstart")).await;
    assert!(raw.read_to("early").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_empty_answer_is_200_without_bytes() {
    let node = Node::start(FakeInvoker::new(|_, _| async { Ok(answer(&[], pieces(Vec::new()))) })).await;
    let response = node.send(Method::POST, &node.with_fn().await, "").await;
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (200, ""));
}
