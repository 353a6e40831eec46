//! What is counted, and `/metrics`.

use crate::node::{LIMIT, Node, Setup, answer, echo, failing, header, saying, streamed};
use remuda_core::call::full;
use remuda_core::testing::FakeInvoker;
use remuda_core::{Fault, Kind};
use remuda_front::Options;
use reqwest::Method;

/// What is told of a metric, by its name and labels.
async fn told(node: &Node, series: &str) -> Option<f64> {
    let text = node.get("/metrics").await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// Waits until a metric has a value.
async fn becomes(node: &Node, series: &str, value: f64) {
    let reached = async {
        while told(node, series).await != Some(value) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(LIMIT, reached).await;
    assert!(in_time.is_ok(), "{series} is {:?} and not {value}", told(node, series).await);
}

#[tokio::test]
async fn every_node_tells_its_metrics_and_the_state_of_its_process() {
    let options = Options { version: "1.2.3".into(), ..Options::default() };
    options.metrics.counter("remuda_lb_tries", "Tries.").add(5);
    let node = Setup { options, ..Setup::of(echo()) }.start().await;
    let response = node.get("/metrics").await;
    assert_eq!(header(response.headers(), "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    for line in [
        "remuda_build_info{version=\"1.2.3\"} 1\n",
        "remuda_lb_tries 5\n",
        "# TYPE process_resident_memory_bytes gauge\n",
        "# TYPE process_cpu_seconds_total counter\n",
        "process_open_fds ",
        "process_start_time_seconds ",
        "fn_api_request_count{method=\"POST\",path=\"/v2/apps\"} 0\n",
        "fn_calls 0\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(node.send(Method::POST, "/metrics", "").await.status(), 405);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_outcome() {
    let node = Node::start(echo()).await;
    node.create_app("a").await;
    node.get("/v2/apps/nothing").await;
    node.get("/nowhere").await;
    node.send(Method::from_bytes(b"BREW").unwrap(), "/v2/apps", "").await;
    for (labels, count) in [
        ("method=\"POST\",path=\"/v2/apps\"", 1.0),
        ("method=\"GET\",path=\"/v2/apps/:app_id\"", 1.0),
        ("method=\"GET\",path=\"invalid\"", 1.0),
        ("method=\"other\",path=\"/v2/apps\"", 1.0),
    ] {
        assert_eq!(told(&node, &format!("fn_api_request_count{{{labels}}}")).await, Some(count), "{labels}");
    }
    for (blame, method, path, status) in [
        ("user", "POST", "/v2/apps", 200),
        ("user", "GET", "/v2/apps/:app_id", 404),
        ("user", "GET", "invalid", 404),
        ("user", "other", "/v2/apps", 405),
    ] {
        let labels = format!("blame=\"{blame}\",method=\"{method}\",path=\"{path}\",status=\"{status}\"");
        becomes(&node, &format!("fn_api_response_count{{{labels}}}"), 1.0).await;
        becomes(&node, &format!("fn_api_latency_count{{{labels}}}"), 1.0).await;
        becomes(&node, &format!("fn_api_latency_bucket{{{labels},le=\"120000\"}}"), 1.0).await;
    }
}

#[tokio::test]
async fn a_failure_is_blamed_on_whoever_caused_it() {
    for (invoker, status, blame) in [
        (saying(&[("fn-http-status", "500")], "the function's own"), 500, "user"),
        (failing(Fault::user(Kind::FunctionFailed, "x")), 502, "user"),
        (failing(Fault::timeout()), 504, "user"),
        (failing(Fault::internal("x")), 500, "service"),
        (failing(Fault::busy()), 503, "service"),
    ] {
        let node = Node::start(invoker).await;
        let path = node.with_trigger().await;
        assert_eq!(node.get(&path).await.status(), status);
        let labels = format!(
            "blame=\"{blame}\",method=\"GET\",path=\"/t/:app_name/*trigger_source\",status=\"{status}\""
        );
        becomes(&node, &format!("fn_api_response_count{{{labels}}}"), 1.0).await;
    }
}

#[tokio::test]
async fn calls_are_counted_from_their_outcomes() {
    let table = [
        (failing(Fault::busy()), "fn_server_busy"),
        (failing(Fault::timeout()), "fn_timeouts"),
        (failing(Fault::cancelled()), "fn_canceled"),
        (failing(Fault::user(Kind::FunctionFailed, "x")), "fn_errors"),
        (echo(), "fn_completed"),
        (FakeInvoker::new(|_, _| async { Ok(answer(&[], full(""))) }), "fn_completed"),
    ];
    let names = ["fn_server_busy", "fn_timeouts", "fn_canceled", "fn_errors", "fn_completed"];
    for (invoker, counted) in table {
        let node = Node::start(invoker).await;
        let path = node.with_fn().await;
        node.send(Method::POST, &path, "x").await.text().await.unwrap();
        becomes(&node, counted, 1.0).await;
        for name in names {
            assert_eq!(told(&node, name).await, Some(f64::from(u8::from(name == counted))), "{name}");
        }
        assert_eq!((told(&node, "fn_calls").await, told(&node, "fn_running").await), (Some(1.0), Some(0.0)));
    }
}

#[tokio::test]
async fn a_call_runs_until_its_last_byte_and_one_whose_caller_goes_is_canceled() {
    let (sender, body) = streamed();
    let body = std::sync::Mutex::new(Some(body));
    let invoker = FakeInvoker::new(move |_, _| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok(answer(&[], body)) }
    });
    let node = Node::start(invoker).await;
    let path = node.with_fn().await;
    sender.send(Ok("a".into())).await.unwrap();
    let mut response = node.send(Method::POST, &path, "").await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "a");
    assert_eq!(told(&node, "fn_running").await, Some(1.0));
    assert_eq!(told(&node, "fn_completed").await, Some(0.0));
    drop(response);
    becomes(&node, "fn_canceled", 1.0).await;
    assert_eq!(told(&node, "fn_running").await, Some(0.0));
}
