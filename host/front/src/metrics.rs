//! What is counted of requests and calls, and where it is told.

mod calls;
mod requests;

pub(crate) use calls::counted;
pub(crate) use requests::{Requests, count};

use crate::openapi::Operation;
use crate::router::{Route, at};
use crate::status;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use remuda_core::Fault;
use remuda_telemetry::metrics::{CONTENT_TYPE, Registry};

/// `GET /metrics`.
pub(crate) fn route(registry: &Registry, version: &str) -> Route {
    let help = "The version of this node; always 1.";
    registry.gauges("remuda_build_info", help, &["version"]).with(&[version]).set(1);
    let registry = registry.clone();
    let about = "What this node counts, as Prometheus reads it.";
    let operation = Operation::get("GetMetrics", about).answers_with(200, "All metrics.", "text/plain");
    at("/metrics").on(operation, tell).with_state(registry)
}

async fn tell(State(registry): State<Registry>) -> Response {
    // It reads /proc, and writes a line for everything that is counted.
    match tokio::task::spawn_blocking(move || registry.text()).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => status::refuse(&Fault::internal(error)),
    }
}
