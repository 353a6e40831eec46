//! The routes of a node, and what every route has in common.

use crate::json::{self, Json};
use crate::request_body::check_declared;
use crate::status::{self, Refused};
use crate::{Options, Ports, Readiness, dialect, invoke};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use remuda_core::{Fault, Kind};
use serde_json::json;
use std::sync::Arc;

/// One path of a node.
pub(crate) struct Route {
    /// In axum's notation.
    pub(crate) path: &'static str,
    /// The methods that `handlers` answers; empty = all.
    pub(crate) methods: &'static [&'static str],
    /// Answers requests.
    pub(crate) handlers: MethodRouter,
}

/// Joins the parts of a node to HTTP.
pub fn router(options: Options, ports: Ports) -> Router {
    let options = Arc::new(options);
    let mut routes = common(&options, &ports.readiness);
    if let Some(catalog) = &ports.catalog {
        routes.extend(dialect::fn_v2::routes(&options, Arc::clone(catalog), Arc::clone(&ports.ids)));
    }
    let invocations = ports
        .invoking
        .map(|invoking| Arc::new(invoke::Invocations::new(&options, invoking, Arc::clone(&ports.ids))));
    if let Some(invocations) = &invocations {
        routes.extend(invoke::routes(invocations));
    }
    let known: Arc<[Known]> = routes.iter().map(|route| (route.path, route.methods)).collect();
    let mut router = Router::new();
    for route in routes {
        // GET does not imply HEAD here, though it does for axum.
        let has_head = route.methods.is_empty() || !route.methods.contains(&"GET");
        let handlers = if has_head { route.handlers } else { route.handlers.head(wrong_method) };
        router = router.route(route.path, handlers);
    }
    let limit = Limit { max_request_size: options.max_request_size, invocations };
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(move |method, uri| unknown_path(method, uri, Arc::clone(&known)))
        .layer(from_fn_with_state(limit, within_size))
}

fn common(options: &Options, readiness: &Readiness) -> Vec<Route> {
    let hello = || async { Json(json!({"goto": "https://github.com/fnproject/fn", "hello": "world!"})) };
    let version = options.version.clone();
    let draining = readiness.clone();
    let readiness = readiness.clone();
    vec![
        Route { path: "/", methods: &["GET"], handlers: get(hello) },
        Route {
            path: "/version",
            methods: &["GET"],
            handlers: get(move || async move { version_of(&version, &draining) }),
        },
        Route {
            path: "/readyz",
            methods: &["GET"],
            handlers: get(move || async move { is_ready(&readiness) }),
        },
    ]
}

/// Older balancers take a version for a sign of health, so a draining node names none.
fn version_of(version: &str, readiness: &Readiness) -> Response {
    if readiness.is_draining() {
        return json::error(StatusCode::SERVICE_UNAVAILABLE, "this node is shutting down");
    }
    Json(json!({ "version": version })).into_response()
}

fn is_ready(readiness: &Readiness) -> Response {
    let reasons = readiness.reasons();
    if reasons.is_empty() {
        return Json(json!({ "ready": true })).into_response();
    }
    match json::encode(&json!({ "ready": false, "reasons": reasons })) {
        Ok(text) => json::response(StatusCode::SERVICE_UNAVAILABLE, text + "\n"),
        Err(error) => status::refuse(&Fault::internal(error)),
    }
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    json::error(StatusCode::METHOD_NOT_ALLOWED, &format!("Method not allowed: {method} {}", uri.path()))
}

type Known = (&'static str, &'static [&'static str]);

/// A path that would be known with or without its last slash is redirected there.
async fn unknown_path(method: Method, uri: Uri, known: Arc<[Known]>) -> Response {
    let path = uri.path();
    let other = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    let answers = |(pattern, methods): &Known| {
        (methods.is_empty() || methods.contains(&method.as_str())) && matches(pattern, &other)
    };
    // "//host" would be a redirect to another host.
    if !other.starts_with("//") && known.iter().any(answers) {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(location) = HeaderValue::from_str(&(other + &query)) {
            let status = match method {
                Method::GET => StatusCode::MOVED_PERMANENTLY,
                _ => StatusCode::TEMPORARY_REDIRECT,
            };
            return (status, [(header::LOCATION, location)]).into_response();
        }
    }
    Refused(Fault::user(Kind::NotFound, format!("Path not found: {method} {path}"))).into_response()
}

/// Whether a path fits a pattern in axum's notation.
fn matches(pattern: &str, path: &str) -> bool {
    let mut path = path.split('/');
    for part in pattern.split('/') {
        let Some(segment) = path.next() else { return false };
        let fits = match part {
            _ if part.starts_with("{*") => return !segment.is_empty() || path.next().is_some(),
            _ if part.starts_with('{') => !segment.is_empty(),
            _ => part == segment,
        };
        if !fits {
            return false;
        }
    }
    path.next().is_none()
}

#[derive(Clone)]
struct Limit {
    max_request_size: u64,
    invocations: Option<Arc<invoke::Invocations>>,
}

/// Refuses what declares itself too large, before anything else is looked at.
async fn within_size(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    let Err(fault) = check_declared(request.headers(), limit.max_request_size) else {
        return next.run(request).await;
    };
    let mut response = Refused(fault).into_response();
    if let Some(invocations) = limit.invocations.filter(|_| invoke::is_invocation(request.uri().path())) {
        invocations.name_call(&mut response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_paths_only() {
        for (pattern, path) in
            [("/", "/"), ("/v2/apps/{id}", "/v2/apps/x"), ("/t/{*rest}", "/t/a//b"), ("/t/{*r}", "/t//")]
        {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("/v2/apps", "/v2/apps/"), ("/v2/apps/{id}", "/v2/apps/"), ("/t/{*r}", "/t/"), ("/t/{*r}", "/t")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
