//! Middleware and endpoints of extensions, what becomes of panics, and CORS.

use crate::node::{Node, Setup, echo, header, told};
use async_trait::async_trait;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use remuda_core::IdSource;
use remuda_front::{Access, Cors, Endpoint, Extensions, Middleware, Next, Options, Ports, Readiness, router};
use reqwest::Method;
use std::sync::Arc;

/// Adds its name to what it sees and to what is answered.
struct Named(&'static str);

#[async_trait]
impl Middleware for Named {
    async fn handle(&self, mut request: Request, next: Next) -> Response {
        request.headers_mut().append("x-seen", HeaderValue::from_static(self.0));
        if request.headers().contains_key("x-stop") {
            return (StatusCode::IM_A_TEAPOT, self.0).into_response();
        }
        let mut response = next.run(request).await;
        response.headers_mut().append("x-seen", HeaderValue::from_static(self.0));
        response
    }
}

fn seen(response: &reqwest::Response) -> Vec<String> {
    response.headers().get_all("x-seen").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

fn pieces(names: [&'static str; 2]) -> Vec<Arc<dyn Middleware>> {
    names.into_iter().map(|name| Arc::new(Named(name)) as _).collect()
}

async fn start(extensions: Extensions) -> Node {
    Setup { extensions, ..Setup::of(echo()) }.start().await
}

#[tokio::test]
async fn middleware_sees_every_request_and_that_of_the_api_only_the_management_apis() {
    let extensions = Extensions {
        middleware: pieces(["a", "b"]),
        api_middleware: pieces(["c", "d"]),
        ..Extensions::default()
    };
    let node = start(extensions).await;
    for (path, names) in [
        ("/v2/apps", vec!["d", "c", "b", "a"]),
        ("/v2/nothing", vec!["d", "c", "b", "a"]),
        ("/v2/runner/apps/x/triggerBySource/http/y", vec!["b", "a"]),
        ("/version", vec!["b", "a"]),
        ("/t/app/x", vec!["b", "a"]),
        ("/nowhere", vec!["b", "a"]),
    ] {
        assert_eq!(seen(&node.get(path).await), names, "{path}: the first one sees the response last");
    }
    let stopped = node.client.get(node.url("/v2/apps")).header("x-stop", "1").send().await.unwrap();
    assert_eq!((stopped.status().as_u16(), stopped.text().await.unwrap().as_str()), (418, "a"));
}

#[tokio::test]
async fn what_middleware_changes_reaches_the_function() {
    let extensions = Extensions { middleware: pieces(["a", "b"]), ..Extensions::default() };
    let node = start(extensions).await;
    let path = node.with_fn().await;
    node.send(Method::POST, &path, "x").await;
    let headers = node.invoker.calls()[0].headers.clone();
    assert_eq!(headers.get_all("x-seen").iter().collect::<Vec<_>>(), ["a", "b"]);
}

fn endpoint(path: &str) -> Endpoint {
    Endpoint { path: path.to_owned(), handlers: get(|| async { "mine" }) }
}

#[tokio::test]
async fn an_extension_answers_paths_of_its_own() {
    let endpoints = vec![endpoint("/v2/apps/{app_id}/meter"), endpoint("/portal/{*rest}")];
    let extensions = Extensions { endpoints, api_middleware: pieces(["c", "d"]), ..Extensions::default() };
    let node = start(extensions).await;
    let metered = node.get("/v2/apps/x/meter").await;
    assert_eq!(seen(&metered), ["d", "c"]);
    assert_eq!(metered.text().await.unwrap(), "mine");
    assert_eq!(node.get("/portal/a/b").await.text().await.unwrap(), "mine");
    assert_eq!(
        told(node.send(Method::POST, "/portal/a", "").await).await,
        (405, "Method not allowed: POST /portal/a".into())
    );
    let text = node.get("/metrics").await.text().await.unwrap();
    assert!(
        text.contains("fn_api_request_count{method=\"GET\",path=\"/v2/apps/:app_id/meter\"} 1\n"),
        "{text}"
    );
}

#[test]
fn an_endpoint_that_collides_or_is_no_path_is_told_at_the_start() {
    for (paths, reason) in [
        (&["/version"][..], "/version"),
        (&["/metrics"], "/metrics"),
        (&["/a/{b}", "/a/{c}"], "/a/{c}"),
        (&["relative"], "from a slash on"),
        (&[""], "from a slash on"),
        (&["/a/:b"], "/a/{b}"),
        (&["/a/{b"], "/a/{b"),
    ] {
        let endpoints = paths.iter().map(|path| endpoint(path)).collect();
        let ports = Ports {
            management: None,
            invoking: None,
            access: Access::Open,
            ids: Arc::new(IdSource::new(1)),
            readiness: Readiness::new(),
            extensions: Extensions { endpoints, ..Extensions::default() },
        };
        let Err(error) = router(Options::default(), ports) else { panic!("{paths:?} were taken") };
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// A body that panics after its first bytes.
fn broken_off() -> axum::body::Body {
    let frames = futures_util::stream::unfold(0, |step| async move {
        // What was said before the panic goes out while nothing is there to be said.
        tokio::task::yield_now().await;
        assert!(step == 0, "a body panics");
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"begun")), step + 1))
    });
    axum::body::Body::from_stream(frames)
}

#[tokio::test]
async fn a_panic_is_answered_500_and_the_connection_goes_on() {
    let panicking = || async {
        if true {
            panic!("a handler panics")
        }
    };
    let endpoints = vec![
        Endpoint { path: "/panic".into(), handlers: post(panicking) },
        Endpoint { path: "/late".into(), handlers: get(|| async { broken_off() }) },
    ];
    let node = start(Extensions { endpoints, ..Extensions::default() }).await;
    let mut raw = node.connect().await;
    raw.write("POST /panic HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await;
    let answered = raw.read_to("}\n").await;
    assert!(answered.starts_with("HTTP/1.1 500 "), "{answered}");
    assert!(answered.ends_with("{\"message\":\"internal server error\"}\n"), "{answered}");
    raw.write("GET /version HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(raw.read_to("}").await.starts_with("HTTP/1.1 200 "));
    let late = node.get("/late").await;
    assert_eq!(late.status(), 200);
    assert!(late.bytes().await.is_err(), "half an answer is not taken for a whole one");
    assert_eq!(node.get("/version").await.status(), 200);
    let text = node.get("/metrics").await.text().await.unwrap();
    let counted =
        "fn_api_response_count{blame=\"service\",method=\"POST\",path=\"/panic\",status=\"500\"} 1\n";
    assert!(text.contains(counted), "{text}");
}

async fn with_cors(origins: &str, headers: Option<&str>) -> Node {
    let options = Options { cors: Some(Cors::new(origins, headers).unwrap()), ..Options::default() };
    let extensions = Extensions { middleware: pieces(["a", "b"]), ..Extensions::default() };
    Setup { options, extensions, ..Setup::of(echo()) }.start().await
}

async fn from_page(node: &Node, method: Method, path: &str, origin: &str) -> reqwest::Response {
    let mut request = node.client.request(method.clone(), node.url(path)).header("origin", origin);
    if method == Method::OPTIONS {
        request = request.header("access-control-request-method", "PUT").header("x-stop", "1");
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_listed_page_may_use_the_node_and_another_may_not() {
    let node = with_cors("https://a.example,http://b:81", Some("Authorization,X-Mine")).await;
    for path in ["/v2/apps", "/invoke/x", "/t/app/x", "/version"] {
        let asked = from_page(&node, Method::OPTIONS, path, "http://b:81").await;
        assert_eq!(asked.status(), 204, "{path}: and no middleware stops it");
        let of = |name| header(asked.headers(), name);
        assert_eq!(of("access-control-allow-origin"), "http://b:81");
        assert_eq!(of("access-control-allow-methods"), "GET,POST,PUT,HEAD,DELETE");
        assert_eq!(of("access-control-allow-headers"), "Authorization,X-Mine");
        assert!(asked.headers().get_all("vary").iter().any(|value| value == "origin"));
    }
    let sent = from_page(&node, Method::GET, "/v2/apps", "https://a.example").await;
    assert_eq!(header(sent.headers(), "access-control-allow-origin"), "https://a.example");
    assert_eq!(header(sent.headers(), "vary"), "origin");
    for method in [Method::OPTIONS, Method::GET] {
        let foreign = from_page(&node, method, "/v2/apps", "https://evil.example").await;
        assert!(!foreign.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn every_page_may_where_the_operator_says_so_and_none_where_he_says_nothing() {
    let node = with_cors("*", None).await;
    let sent = from_page(&node, Method::GET, "/v2/apps", "https://x").await;
    assert_eq!(header(sent.headers(), "access-control-allow-origin"), "*");
    let node = Node::start(echo()).await;
    let sent = from_page(&node, Method::GET, "/v2/apps", "https://x").await;
    assert!(!sent.headers().contains_key("access-control-allow-origin"));
    assert_eq!(from_page(&node, Method::OPTIONS, "/v2/apps", "https://x").await.status(), 405);
}

#[tokio::test]
async fn what_only_looks_like_a_question_of_a_browser_reaches_the_function() {
    let node = with_cors("*", None).await;
    let path = node.with_trigger().await;
    let answered = node.send(Method::OPTIONS, &path, "body").await;
    assert_eq!((answered.status().as_u16(), answered.text().await.unwrap().as_str()), (200, "body"));
}
