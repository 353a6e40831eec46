//! What every node answers.

use crate::node::{Node, client, echo, header, told};
use remuda_core::IdSource;
use remuda_front::{Access, Extensions, Options, Ports, Readiness, ServeOptions, router, serve};
use reqwest::Method;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_root_and_the_version_are_fns() {
    let node = Node::start_with(
        echo(),
        Options { version: "1.2.3".into(), ..Options::default() },
        ServeOptions::default(),
    )
    .await;
    let root = node.get("/").await;
    assert_eq!(header(root.headers(), "content-type"), "application/json; charset=utf-8");
    assert_eq!(root.text().await.unwrap(), r#"{"goto":"https://github.com/fnproject/fn","hello":"world!"}"#);
    assert_eq!(node.get("/version").await.text().await.unwrap(), r#"{"version":"1.2.3"}"#);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let node = Node::start(echo()).await;
    assert_eq!(told(node.get("/x").await).await, (404, "Path not found: GET /x".into()));
    assert_eq!(node.refused(Method::POST, "/x?y=<z>", "").await, (404, "Path not found: POST /x".into()));
    assert_eq!(
        node.refused(Method::PATCH, "/v2/apps", "").await,
        (405, "Method not allowed: PATCH /v2/apps".into())
    );
    assert_eq!(
        node.refused(Method::GET, "/invoke/f", "").await,
        (405, "Method not allowed: GET /invoke/f".into())
    );
    for path in ["/", "/version", "/v2/apps", "/v2/fns/x"] {
        assert_eq!(node.send(Method::HEAD, path, "").await.status(), 405, "{path}");
    }
}

#[tokio::test]
async fn a_slash_too_many_or_too_few_is_redirected() {
    let node = Node::start(echo()).await;
    for (method, path, status, location) in [
        (Method::GET, "/v2/apps/?a=b", 301, "/v2/apps?a=b"),
        (Method::POST, "/v2/fns/", 307, "/v2/fns"),
        (Method::DELETE, "/v2/apps/x/", 307, "/v2/apps/x"),
        (Method::GET, "/version/", 301, "/version"),
    ] {
        let response = node.send(method, path, "").await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(header(response.headers(), "location"), location);
    }
    for path in ["//version/", "/t/", "/t", "/invoke/", "/v2/nothing/"] {
        assert_eq!(node.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn readiness_names_its_reasons_and_a_draining_node_names_no_version() {
    let node = Node::start(echo()).await;
    assert_eq!(node.get("/readyz").await.text().await.unwrap(), r#"{"ready":true}"#);
    node.readiness.hold_back("npm", "no answer from the NPM yet");
    let response = node.get("/readyz").await;
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.text().await.unwrap(),
        "{\"ready\":false,\"reasons\":{\"npm\":\"no answer from the NPM yet\"}}\n"
    );
    assert_eq!(node.get("/version").await.status(), 200);
    node.readiness.release("npm");
    assert_eq!(node.get("/readyz").await.status(), 200);
    node.readiness.drain();
    assert_eq!(node.get("/readyz").await.status(), 503);
    let (status, message) = told(node.get("/version").await).await;
    assert_eq!((status, message.as_str()), (503, "this node is shutting down"));
}

#[tokio::test]
async fn a_node_has_only_the_routes_of_its_parts() {
    let ports = Ports {
        management: None,
        invoking: None,
        access: Access::Open,
        ids: Arc::new(IdSource::new(1)),
        readiness: Readiness::new(),
        extensions: Extensions::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let app = router(Options::default(), ports).unwrap();
    let served = tokio::spawn(serve(listener, app, ServeOptions::default(), None, shutdown.clone()));
    for (path, status) in [("/version", 200), ("/v2/apps", 404), ("/t/a", 404), ("/readyz", 200)] {
        assert_eq!(
            client().get(format!("http://{address}{path}")).send().await.unwrap().status(),
            status,
            "{path}"
        );
    }
    shutdown.cancel();
    served.await.unwrap().unwrap();
}
