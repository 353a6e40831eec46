//! What a binary that extends Remuda hooks into HTTP: listeners, middleware and endpoints of its own.

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::MethodRouter;
use remuda_core::port::Listeners;
use std::sync::Arc;

/// What comes behind a piece of middleware.
pub use axum::middleware::Next;

/// Stands between clients and a node: sees each request before its handler, and each response before the client. The
/// handler is chosen before: another path or method does not lead to another one. A panic is answered 500.
#[async_trait]
pub trait Middleware: Send + Sync + 'static {
    /// Answers the request, mostly by `next.run(request).await`, with whatever changes it makes to either.
    async fn handle(&self, request: Request, next: Next) -> Response;
}

/// What a binary that extends Remuda hooks in. Pieces of middleware run in the order in which they stand here: the
/// first one sees a request first, and its response last.
#[derive(Clone, Default)]
pub struct Extensions {
    /// Hear of changes and calls.
    pub listeners: Listeners,
    /// See every request to the node, except for those by which browsers ask whether they may send one (CORS).
    pub middleware: Vec<Arc<dyn Middleware>>,
    /// See the requests to the management API (`/v2`, without what nodes ask of each other under `/v2/runner`), behind
    /// the pieces of `middleware`.
    pub api_middleware: Vec<Arc<dyn Middleware>>,
    /// Answer paths that Remuda does not. Who may use them is for them to say; middleware sees their requests too.
    pub endpoints: Vec<Endpoint>,
}

/// A path of an extension's own, under `/v2` or elsewhere.
#[derive(Clone)]
pub struct Endpoint {
    /// In axum's notation: `/v2/apps/{app_id}/meter`.
    pub path: String,
    /// Answer its requests. A request by another method is answered 405.
    pub handlers: MethodRouter,
}

/// An endpoint that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint {path} of an extension cannot be added: {reason}")]
pub struct EndpointError {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Puts middleware around a router's routes.
pub(crate) fn surround(mut router: Router, extensions: &Extensions) -> Router {
    // What is put around last is outermost.
    for piece in extensions.api_middleware.iter().rev() {
        router = router.layer(from_fn_with_state(Arc::clone(piece), api_only));
    }
    for piece in extensions.middleware.iter().rev() {
        router = router.layer(from_fn_with_state(Arc::clone(piece), always));
    }
    router
}

async fn always(State(piece): State<Arc<dyn Middleware>>, request: Request, next: Next) -> Response {
    piece.handle(request, next).await
}

async fn api_only(State(piece): State<Arc<dyn Middleware>>, request: Request, next: Next) -> Response {
    if is_management(request.uri().path()) {
        return piece.handle(request, next).await;
    }
    next.run(request).await
}

/// Whether a path is one of the management API. Routes compare the path as it was sent, so this does too.
fn is_management(path: &str) -> bool {
    let is_under =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_under("/v2") && !is_under("/v2/runner")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_management_api_is_v2_without_what_nodes_ask() {
        for path in ["/v2", "/v2/", "/v2/apps", "/v2/runners", "/v2//apps"] {
            assert!(is_management(path), "{path}");
        }
        for path in ["/", "/v2x", "/v2/runner", "/v2/runner/changes", "/invoke/x", "/t/v2/apps"] {
            assert!(!is_management(path), "{path}");
        }
    }
}
