//! HTTP requests, by path, method and outcome.

use crate::invoke;
use crate::router::Route;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use papaya::HashMap;
use remuda_core::Blame;
use remuda_telemetry::metrics::{Counter, Counters, Histogram, Histograms, Registry};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

/// The upper bounds of Fn's latency buckets, in milliseconds.
const BOUNDS_MS: [f64; 10] = [1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 10_000.0, 60_000.0, 120_000.0];
/// The methods that are told apart; the last stands for every other.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
const OTHER_METHOD: usize = METHODS.len() - 1;
/// Has no name of its own, and is an everyday outcome.
const CLIENT_CLOSED_REQUEST: u16 = 499;
/// What a path is called that no route has.
const NO_ROUTE: &str = "invalid";
/// Triggers are one route here, which Fn names so.
const TRIGGERS: (&str, &str) = ("/t/{*rest}", "/t/:app_name/*trigger_source");

/// Counts the requests of one node.
pub(crate) struct Requests {
    routes: matchit::Router<Arc<Path>>,
    no_route: Arc<Path>,
}

/// What is counted of one route.
struct Path {
    label: String,
    families: Families,
    requests: [OnceLock<Counter>; METHODS.len()],
    /// Made when they are first seen. There are as many as there are methods, statuses that have a name, and parties
    /// to blame.
    responses: HashMap<Outcome, (Counter, Histogram)>,
}

#[derive(Clone)]
struct Families {
    requests: Counters,
    responses: Counters,
    latency: Histograms,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Outcome {
    method: usize,
    /// As [`status_of`] tells it.
    status: u16,
    blame: Blame,
}

impl Requests {
    /// No route is known yet.
    pub(crate) fn new(registry: &Registry) -> Self {
        // Fn's `fn_fdk_version` is left out: functions choose its values.
        let labels = ["path", "method", "status", "blame"];
        let families = Families {
            requests: registry.counters("fn_api_request_count", "Requests that arrived.", &labels[..2]),
            responses: registry.counters("fn_api_response_count", "Responses that ended.", &labels),
            latency: registry.histograms(
                "fn_api_latency",
                "From a request's arrival to its response's last byte, in milliseconds.",
                &BOUNDS_MS,
                &labels,
            ),
        };
        Self { routes: matchit::Router::new(), no_route: Arc::new(Path::new(NO_ROUTE, families)) }
    }

    /// Counts the requests to a route of ours.
    pub(crate) fn add(&mut self, route: &Route) -> Result<(), matchit::InsertError> {
        let path = self.insert(route.path)?;
        for (index, method) in METHODS.iter().enumerate() {
            if route.methods.contains(method) {
                path.requested(index);
            }
        }
        Ok(())
    }

    /// Counts the requests to a path in axum's notation. Fails where that collides with one known already.
    pub(crate) fn add_path(&mut self, pattern: &str) -> Result<(), matchit::InsertError> {
        self.insert(pattern).map(|_| ())
    }

    fn insert(&mut self, pattern: &str) -> Result<Arc<Path>, matchit::InsertError> {
        let path = Arc::new(Path::new(&label(pattern), self.no_route.families.clone()));
        self.routes.insert(pattern, Arc::clone(&path))?;
        Ok(path)
    }

    fn path_of(&self, path: &str) -> &Arc<Path> {
        self.routes.at(path).map_or(&self.no_route, |found| found.value)
    }
}

impl Path {
    fn new(label: &str, families: Families) -> Self {
        Self { label: label.to_owned(), families, requests: Default::default(), responses: HashMap::new() }
    }

    fn requested(&self, method: usize) -> &Counter {
        self.requests[method].get_or_init(|| self.families.requests.with(&[&self.label, METHODS[method]]))
    }

    fn responded(&self, outcome: Outcome, milliseconds: f64) {
        let responses = self.responses.pin();
        let (count, latency) = responses.get_or_insert_with(outcome, || {
            let status = status_label(outcome.status);
            let blame = match outcome.blame {
                Blame::User => "user",
                Blame::Service => "service",
            };
            let labels = [&self.label, METHODS[outcome.method], &status, blame];
            (self.families.responses.with(&labels), self.families.latency.with(&labels))
        });
        count.increment();
        latency.observe(milliseconds);
    }
}

/// A path in Fn's notation.
fn label(pattern: &str) -> String {
    if pattern == TRIGGERS.0 {
        return TRIGGERS.1.to_owned();
    }
    pattern.replace("{*", "*").replace('{', ":").replace('}', "")
}

/// What a status is told apart by: its code where that has a name, else its class (2 of 2xx), since functions may
/// answer any number.
fn status_of(status: StatusCode) -> u16 {
    let code = status.as_u16();
    if status.canonical_reason().is_some() || code == CLIENT_CLOSED_REQUEST { code } else { code / 100 }
}

fn status_label(status: u16) -> String {
    if status < 100 { format!("{status}xx") } else { status.to_string() }
}

/// Whose doing a response is: as its fault says, else as its status does. What a function answers is its author's.
fn blame(response: &Response, is_invocation: bool) -> Blame {
    match response.extensions().get::<Blame>() {
        Some(said) => *said,
        None if response.status().is_server_error() && !is_invocation => Blame::Service,
        None => Blame::User,
    }
}

/// Counts a request as it comes, and its response as it ends.
pub(crate) async fn count(State(requests): State<Arc<Requests>>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let path = Arc::clone(requests.path_of(request.uri().path()));
    let is_invocation = invoke::is_invocation(request.uri().path());
    let method = method_index(request.method());
    path.requested(method).increment();
    let response = next.run(request).await;
    let outcome =
        Outcome { method, status: status_of(response.status()), blame: blame(&response, is_invocation) };
    response.map(|body| Body::new(Timed { body, path, outcome, arrived }))
}

fn method_index(method: &Method) -> usize {
    METHODS[..OTHER_METHOD].iter().position(|known| *known == method.as_str()).unwrap_or(OTHER_METHOD)
}

/// A response's body. When it goes, the response has ended, one way or another.
struct Timed {
    body: Body,
    path: Arc<Path>,
    outcome: Outcome,
    arrived: Instant,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.path.responded(self.outcome, self.arrived.elapsed().as_secs_f64() * 1000.0);
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_as_fn_tells_them() {
        for (pattern, path) in [
            ("/", "/"),
            ("/v2/apps/{app_id}", "/v2/apps/:app_id"),
            ("/v2/fns/{fn_id}/calls/{call_id}", "/v2/fns/:fn_id/calls/:call_id"),
            ("/t/{*rest}", "/t/:app_name/*trigger_source"),
            ("/x/{*rest}", "/x/*rest"),
        ] {
            assert_eq!(label(pattern), path);
        }
    }

    #[test]
    fn labels_have_few_values_whatever_clients_and_functions_say() {
        let methods = ["GET", "DELETE", "BREW"].map(|name| METHODS[method_index(&name.parse().unwrap())]);
        assert_eq!(methods, ["GET", "DELETE", "other"]);
        let statuses = [200, 299, 418, 499, 599, 777];
        let told = statuses.map(|code| status_label(status_of(StatusCode::from_u16(code).unwrap())));
        assert_eq!(told, ["200", "2xx", "418", "499", "5xx", "7xx"]);
    }
}
