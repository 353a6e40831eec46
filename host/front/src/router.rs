//! The routes of a node, and what every route has in common.

mod route;

pub(crate) use route::{Route, Routed, at};

use crate::json::{self, Json};
use crate::metrics::{self, Requests};
use crate::openapi::Operation;
use crate::request_body::check_declared;
use crate::status::{self, Refused};
use crate::{
    Access, Endpoint, EndpointError, Options, Ports, Readiness, cors, dialect, extension, invoke, openapi,
    panics,
};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use remuda_core::{Fault, Kind};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Joins the parts of a node to HTTP. Fails where an extension's endpoint is no path, or one that is taken.
pub fn router(options: Options, mut ports: Ports) -> Result<Router, EndpointError> {
    let options = Arc::new(options);
    if let Some(invoking) = &mut ports.invoking {
        invoking.invoker = metrics::counted(Arc::clone(&invoking.invoker), &options.metrics);
    }
    let mut routes = common(&options, &ports.readiness);
    if let Some(management) = &ports.management {
        routes.extend(dialect::fn_v2::routes(&options, management, &ports));
    }
    let invoking = ports.invoking.clone();
    let invocations = invoking.map(|invoking| Arc::new(invoke::Invocations::new(&options, invoking, &ports)));
    if let Some(invocations) = &invocations {
        routes.extend(invoke::routes(invocations));
    }
    let about = openapi::About {
        version: &options.version,
        is_guarded: matches!(ports.access, Access::Tokens(_)),
        is_managing: ports.management.is_some(),
    };
    routes.extend(openapi::routes(&routes, &about));
    let requests = Arc::new(requests(&options, &routes, &ports.extensions.endpoints)?);
    let limit = Limit { max_request_size: options.max_request_size, invocations };
    let inner = joined(routes, &ports.extensions.endpoints).layer(from_fn_with_state(limit, within_size));
    let mut router = extension::surround(inner, &ports.extensions);
    if let Some(cors) = &options.cors {
        router = router.layer(from_fn_with_state(Arc::new(cors.clone()), cors::share));
    }
    Ok(router.layer(from_fn(panics::contain)).layer(from_fn_with_state(requests, metrics::count)))
}

/// Our routes and those of extensions, and what there is where there is no route.
fn joined(routes: Vec<Route>, endpoints: &[Endpoint]) -> Router {
    let known: Arc<[Pattern]> = routes.iter().map(|route| (route.path, route.methods.clone())).collect();
    let mut router = Router::new();
    for route in routes {
        // GET does not imply HEAD here, though it does for axum.
        let has_head = route.methods.is_empty() || !route.methods.contains(&"GET");
        let handlers = if has_head { route.handlers } else { route.handlers.head(wrong_method) };
        router = router.route(route.path, handlers);
    }
    for endpoint in endpoints {
        router = router.route(&endpoint.path, endpoint.handlers.clone());
    }
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(move |method, uri| unknown_path(method, uri, Arc::clone(&known)))
}

/// Counts requests by route. It knows routes as axum's router does, which panics where two collide; this one tells.
fn requests(options: &Options, routes: &[Route], endpoints: &[Endpoint]) -> Result<Requests, EndpointError> {
    let refused = |path: &str, reason: String| EndpointError { path: path.to_owned(), reason };
    let mut requests = Requests::new(&options.metrics);
    for route in routes {
        requests.add(route).map_err(|error| refused(route.path, error.to_string()))?;
    }
    for Endpoint { path, .. } in endpoints {
        if !path.starts_with('/') || path.split('/').any(|part| part.starts_with([':', '*'])) {
            let reason = "write its path as /a/{b}/{*rest}, from a slash on".to_owned();
            return Err(refused(path, reason));
        }
        requests.add_path(path).map_err(|error| refused(path, error.to_string()))?;
    }
    Ok(requests)
}

/// What a node is greeted with.
#[derive(Serialize, JsonSchema)]
struct Hello {
    goto: &'static str,
    hello: &'static str,
}

/// The version of this node.
#[derive(Serialize, JsonSchema)]
struct Version {
    version: String,
}

/// Whether a node wants traffic.
#[derive(Serialize, JsonSchema)]
struct Ready {
    ready: bool,
    /// Why it does not, by the part that holds it back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reasons: BTreeMap<&'static str, String>,
}

/// What all of a node's own routes know.
#[derive(Clone)]
struct Known {
    version: String,
    readiness: Readiness,
}

fn common(options: &Options, readiness: &Readiness) -> Vec<Route> {
    let known = Known { version: options.version.clone(), readiness: readiness.clone() };
    let version = Operation::get("GetVersion", "Tells the version of this node.").or(&[Kind::Unavailable]);
    let ready = Operation::get("GetReadiness", "Tells whether this node wants traffic, and why not.")
        .answers_as::<Ready>(503, "It does not.");
    vec![
        metrics::route(&options.metrics, &options.version),
        at("/").on(Operation::get("GetRoot", "Says hello."), hello).with_state(()),
        at("/version").on(version, version_of).with_state(known.clone()),
        at("/readyz").on(ready, is_ready).with_state(known),
    ]
}

async fn hello() -> Json<Hello> {
    Json(Hello { goto: "https://github.com/fnproject/fn", hello: "world!" })
}

/// Older balancers take a version for a sign of health, so a draining node names none.
async fn version_of(State(node): State<Known>) -> Result<Json<Version>, Response> {
    if node.readiness.is_draining() {
        return Err(status::refuse(&Fault::service(Kind::Unavailable, "this node is shutting down")));
    }
    Ok(Json(Version { version: node.version }))
}

async fn is_ready(State(node): State<Known>) -> Result<Json<Ready>, Response> {
    let reasons = node.readiness.reasons();
    let ready = Ready { ready: reasons.is_empty(), reasons };
    if ready.ready {
        return Ok(Json(ready));
    }
    Err(match json::encode(&ready) {
        Ok(text) => json::response(StatusCode::SERVICE_UNAVAILABLE, text + "\n"),
        Err(error) => status::refuse(&Fault::internal(error)),
    })
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    json::error(StatusCode::METHOD_NOT_ALLOWED, &format!("Method not allowed: {method} {}", uri.path()))
}

type Pattern = (&'static str, Vec<&'static str>);

/// A path that would be known with or without its last slash is redirected there.
async fn unknown_path(method: Method, uri: Uri, known: Arc<[Pattern]>) -> Response {
    let path = uri.path();
    let other = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    let answers = |(pattern, methods): &Pattern| {
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
