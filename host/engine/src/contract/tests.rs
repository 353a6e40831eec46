//! The client against functions that are scripted byte by byte.

use super::*;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body::{Body as _, Frame};
use http_body_util::StreamBody;
use remuda_core::{
    AppId, Body, CallId, Config, Fault, FnId, GroupId, Kind, MemoryMb, Mode, Target, Timestamp,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits { header_bytes: 64 * 1024, body_bytes: None };

/// A socket directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> (Self, UnixListener) {
        let directory = socket::create_directory(&std::env::temp_dir(), "remuda-contract-test").unwrap();
        let listener = UnixListener::bind(directory.join("lsnr.sock")).unwrap();
        (Self(directory), listener)
    }
    fn client(&self, limits: Limits) -> Client {
        Client::new(self.0.clone(), limits)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}

fn call(headers: &[(&'static str, &'static str)]) -> Arc<Call> {
    let config = Config::new();
    let target = Target {
        app_id: AppId::new("app"),
        app_name: String::new(),
        fn_id: FnId::new("fn"),
        image: "image".into(),
        memory: MemoryMb(128),
        tmpfs_mb: 0,
        milli_cpus: 0,
        timeout: LONG,
        idle_timeout: LONG,
        group: GroupId::of(&Default::default(), &config),
        config,
        annotations: Default::default(),
        syslog_url: String::new(),
    };
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Arc::new(Call {
        id: CallId::new("CALL1"),
        target: Arc::new(target),
        trigger_id: None,
        mode: Mode::Sync,
        method: Method::POST,
        url: String::new(),
        headers,
        created_at: Timestamp::from_unix_ms(0),
    })
}

fn request(body: Body, within: Duration) -> FunctionRequest {
    FunctionRequest { call: call(&[]), body, deadline: SystemTime::now() + within }
}

/// A body of which nothing ever comes.
fn silent() -> Body {
    StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Fault>>()).boxed_unsync()
}

/// Reads one request with a chunked body; `None` at the connection's end.
async fn read_request(from: &mut UnixStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"0\r\n\r\n") {
        match from.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => return None,
        }
    }
    Some(String::from_utf8(text).unwrap())
}

/// Reads until a request's head is here.
async fn read_head(from: &mut UnixStream) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(from.read_u8().await.unwrap());
    }
}

/// Serves one connection: an answer for each request.
async fn serve(
    listener: &UnixListener,
    answers: impl IntoIterator<Item = &str>,
) -> (UnixStream, Vec<String>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut requests = Vec::new();
    for answer in answers {
        requests.push(read_request(&mut stream).await.unwrap());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    (stream, requests)
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nX-A: b\r\n\r\nhello";

async fn text(answer: Answer) -> Result<String, Fault> {
    let bytes = answer.body.collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn fails(answer: &str, limits: Limits) -> CallFault {
    let (place, listener) = Place::new();
    let client = place.client(limits);
    let asked = client.call(request(call::empty(), LONG));
    let (outcome, _served) = tokio::join!(asked, serve(&listener, [answer]));
    outcome.unwrap_err()
}

#[tokio::test]
async fn a_request_on_the_wire_is_what_function_kits_expect() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let headers =
        [("content-length", "3"), ("fn-call-id", "forged"), ("x-two", "2"), ("content-type", "a/b")];
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let asked = client.call(FunctionRequest { call: call(&headers), body: call::empty(), deadline });
    let (answer, (_stream, requests)) = tokio::join!(asked, serve(&listener, [HELLO]));
    let answer = answer.unwrap();
    assert_eq!(answer.headers.get("x-a").unwrap(), "b");
    assert_eq!(answer.headers.get("content-length").unwrap(), "5");
    assert_eq!(answer.headers.get("connection"), None);
    assert_eq!(text(answer).await.unwrap(), "hello");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /call HTTP/1.1");
    lines.sort_unstable();
    let agent = format!("User-Agent: remuda/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "Content-Type: a/b",
        "Fn-Call-Id: CALL1",
        "Fn-Deadline: 2100-01-01T00:00:00Z",
        "Host: localhost",
        "Transfer-Encoding: chunked",
        &agent,
        "X-Two: 2",
    ];
    assert_eq!(
        lines.iter().map(|line| line.to_lowercase()).collect::<Vec<_>>(),
        expected.map(str::to_lowercase)
    );
    for line in expected.iter().filter(|line| !line.starts_with("Transfer")) {
        assert!(lines.contains(line), "{line} in {lines:?}");
    }
    assert_eq!(body, "0\r\n\r\n");
}

#[tokio::test]
async fn calls_share_a_connection() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let calls = async {
        for _ in 0..3 {
            let answer = client.call(request(call::full("x"), LONG)).await.unwrap();
            assert_eq!(text(answer).await.unwrap(), "hello");
        }
    };
    let ((), (_stream, requests)) = tokio::join!(calls, serve(&listener, [HELLO; 3]));
    assert!(requests.iter().all(|request| request.ends_with("\r\n1\r\nx\r\n0\r\n\r\n")));
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced_and_the_call_is_seen_once() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let first = async { text(client.call(request(call::empty(), LONG)).await.unwrap()).await.unwrap() };
    let (_, (stream, _)) = tokio::join!(first, serve(&listener, [HELLO]));
    drop(stream);
    let second = async { text(client.call(request(call::empty(), LONG)).await.unwrap()).await.unwrap() };
    let (said, (_stream, requests)) = tokio::join!(second, serve(&listener, [HELLO]));
    assert_eq!((said.as_str(), requests.len()), ("hello", 1));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_a_second() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let asked = async { text(client.call(request(call::empty(), LONG)).await.unwrap()).await.unwrap() };
    let (_, (mut stream, _)) = tokio::join!(asked, serve(&listener, [HELLO]));
    let began = Instant::now();
    assert_eq!(timeout(LONG, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert!(began.elapsed() > Duration::from_millis(500) && began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_function_may_answer_before_it_has_read_its_request() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let function = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        serve(&listener, [HELLO]).await
    };
    let calls = async {
        // Its request never ends, so the connection is of no more use once the answer has.
        let early = client.call(request(silent(), LONG)).await.unwrap();
        assert_eq!(text(early).await.unwrap(), "hello");
        text(client.call(request(call::empty(), LONG)).await.unwrap()).await.unwrap()
    };
    let (said, _) = tokio::join!(calls, function);
    assert_eq!(said, "hello");
}

#[tokio::test]
async fn a_function_may_close_after_its_answer_with_a_request_half_read() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let function = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        drop(stream);
        serve(&listener, [HELLO]).await
    };
    let calls = async {
        // More than the socket's buffers take, so that we are still writing when the function closes.
        let early = client.call(request(call::full(vec![7; 8 << 20]), LONG)).await.unwrap();
        assert_eq!(text(early).await.unwrap(), "hello");
        text(client.call(request(call::empty(), LONG)).await.unwrap()).await.unwrap()
    };
    let (said, _) = tokio::join!(calls, function);
    assert_eq!(said, "hello");
}

#[tokio::test]
async fn a_request_that_ends_with_a_fault_ends_the_call_with_it() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let pieces = [Ok(Frame::data(Bytes::from("a"))), Err(Fault::user(Kind::TooLarge, "too much"))];
    let body = StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync();
    let asked = client.call(request(body, LONG));
    let (outcome, _stream) = tokio::join!(asked, listener.accept());
    let failed = outcome.unwrap_err();
    assert_eq!((failed.fault.kind, failed.fatal), (Kind::TooLarge, true));
}

#[tokio::test]
async fn what_a_function_may_do_wrong_and_what_it_costs_it() {
    let short = Limits { header_bytes: 200, body_bytes: None };
    let long_head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(300));
    let cases = [
        ("HTTP/1.1 502 Bad\r\nContent-Length: 2\r\n\r\n{}", LIMITS, "function failed", false),
        ("HTTP/1.1 504 Late\r\nContent-Length: 0\r\n\r\n", LIMITS, "Timed out", false),
        ("HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n", LIMITS, "invalid function response", true),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", LIMITS, "invalid function response", true),
        ("this is not HTTP\r\n\r\n", LIMITS, "error receiving function response", true),
        (&long_head, short, "function response header too large", true),
    ];
    for (answer, limits, message, fatal) in cases {
        let failed = fails(answer, limits).await;
        assert_eq!((failed.fault.message.as_ref(), failed.fatal), (message, fatal), "{answer}");
    }
}

#[tokio::test]
async fn a_function_that_closes_without_an_answer_failed() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let asked = client.call(request(call::empty(), LONG));
    let function = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(asked, function);
    let failed = outcome.unwrap_err();
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("error receiving function response", true));
}

#[tokio::test]
async fn after_a_failure_that_it_may_have_the_function_is_called_on_the_same_connection() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let calls = async {
        client.call(request(call::empty(), LONG)).await.unwrap_err();
        text(client.call(request(call::empty(), LONG)).await.unwrap()).await.unwrap()
    };
    let failure = "HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\noops";
    let (said, _) = tokio::join!(calls, serve(&listener, [failure, HELLO]));
    assert_eq!(said, "hello");
}

#[tokio::test]
async fn an_answer_of_unknown_size_is_held_back_until_it_is_known_to_fit() {
    let limits = Limits { body_bytes: Some(5), ..LIMITS };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n";
    let failed = fails(chunked, limits).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("function response body too large", false));
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!";
    assert_eq!(fails(announced, limits).await.fault.message, "function response body too large");

    let (place, listener) = Place::new();
    let client = place.client(limits);
    let fitting = chunked.replace("lo!", "lo").replace("3\r\nlo", "2\r\nlo");
    let asked = async {
        let answer = client.call(request(call::empty(), LONG)).await.unwrap();
        assert_eq!(answer.body.size_hint().exact(), Some(5));
        text(answer).await.unwrap()
    };
    let (said, _) = tokio::join!(asked, serve(&listener, [fitting.as_str()]));
    assert_eq!(said, "hello");
}

#[tokio::test]
async fn an_event_stream_flows_at_once_and_is_cut_at_the_limit() {
    let (place, listener) = Place::new();
    let client = place.client(Limits { body_bytes: Some(5), ..LIMITS });
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let (mut stream, mut answer) = {
        let asked = client.call(request(call::empty(), LONG));
        let (answer, (stream, _)) = tokio::join!(asked, serve(&listener, [head]));
        (stream, answer.unwrap())
    };
    let first = answer.body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "abc");
    stream.write_all(b"3\r\ndef\r\n").await.unwrap();
    let cut = answer.body.frame().await.unwrap().unwrap_err();
    assert_eq!(cut.message, "function response body too large");
}

#[tokio::test]
async fn a_deadline_ends_a_call_before_its_answer_and_within_it() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let soon = Duration::from_millis(100);
    let (outcome, _stream) = tokio::join!(client.call(request(call::empty(), soon)), listener.accept());
    let failed = outcome.unwrap_err();
    assert_eq!((failed.fault.kind, failed.fatal), (Kind::Timeout, true));

    let half = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
    let asked = client.call(request(call::empty(), soon));
    let (answer, (mut stream, _)) = tokio::join!(asked, serve(&listener, [half]));
    let cut = text(answer.unwrap()).await.unwrap_err();
    assert_eq!(cut.kind, Kind::Timeout);
    assert_eq!(
        timeout(LONG, stream.read(&mut [0; 1])).await.unwrap().unwrap(),
        0,
        "the connection is closed"
    );
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_does_not_reach_the_function() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let failed = client.call(request(call::empty(), Duration::ZERO)).await.unwrap_err();
    assert_eq!((failed.fault.kind, failed.fatal), (Kind::Timeout, false));
    assert!(futures_util::FutureExt::now_or_never(listener.accept()).is_none());
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_way_closes_its_connection() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
    let asked = client.call(request(call::empty(), LONG));
    let (answer, (mut stream, _)) = tokio::join!(asked, serve(&listener, [half]));
    drop(answer);
    assert_eq!(timeout(LONG, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_closes_its_connection() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let mut stream = tokio::select! {
        _ = client.call(request(silent(), LONG)) => panic!("nobody answered"),
        accepted = listener.accept() => accepted.unwrap().0,
    };
    let mut rest = Vec::new();
    timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let (place, listener) = Place::new();
    let client = place.client(LIMITS);
    let (sender, pieces) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Fault>>(1);
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    let body = StreamBody::new(pieces).boxed_unsync();
    let function = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let mut seen = Vec::new();
        for letter in [b'a', b'b', b'c'] {
            while !seen.ends_with(&[b'1', b'\r', b'\n', letter, b'\r', b'\n']) {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(&[b'1', b'\r', b'\n', letter, b'\r', b'\n']).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    };
    let asked = async {
        let mut answer = client.call(request(body, LONG)).await.unwrap();
        for letter in ["a", "b", "c"] {
            sender.send(Ok(Frame::data(Bytes::from(letter)))).await.unwrap();
            let echoed = answer.body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(echoed, letter);
        }
        drop(sender);
        assert!(answer.body.frame().await.is_none());
    };
    tokio::join!(asked, function);
}
