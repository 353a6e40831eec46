//! The document that describes what a node serves, in OpenAPI 3.1. It is made of the table that the routes are made of,
//! and what a handler takes and answers is read from its signature; so the two cannot disagree.
//!
//! Deliberately absent: endpoints and middleware of extensions, which describe themselves, and what browsers ask ahead
//! of a request (CORS).

mod document;
mod field;
mod operation;
mod parameter;
mod signature;

pub(crate) use field::{Field, Limits, Rule, Shape};
pub(crate) use operation::{Link, Operation, Tag};
pub(crate) use parameter::Parameter;
pub(crate) use signature::{Outcome, Part, Signature};

use crate::json;
use crate::router::{Route, Routed, at};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use document::Document;
use http::StatusCode;
use std::sync::Arc;

/// What a document says about a node besides its routes.
pub(crate) struct About<'a> {
    /// Of the node.
    pub(crate) version: &'a str,
    /// Whether senders of requests have to say who they are.
    pub(crate) is_guarded: bool,
    /// Whether it serves the management API.
    pub(crate) is_managing: bool,
}

/// The document, ready to be sent.
type Text = Arc<str>;

/// The routes that tell the document of all `routes`, and of themselves.
pub(crate) fn routes(routes: &[Route], about: &About<'_>) -> Vec<Route> {
    let mut ours = vec![route("/openapi.json", "GetDocument")];
    if about.is_managing {
        ours.push(route("/v2/openapi.json", "GetDocumentV2"));
    }
    let mut document = Document::new(about);
    for route in routes {
        document.add(route.described_as, &route.operations);
    }
    for route in &ours {
        document.add(route.described_as, &route.operations);
    }
    let text: Text = document.finish().to_string().into();
    ours.into_iter().map(|route| route.with_state(Arc::clone(&text))).collect()
}

fn route(path: &'static str, id: &'static str) -> Routed<Text> {
    let about = "This document: what this node serves, in OpenAPI 3.1.";
    let answer = |operation: Operation| operation.answers::<serde_json::Map<String, serde_json::Value>>();
    at(path).on(answer(Operation::get(id, about).tag(Tag::Node)), tell)
}

async fn tell(State(text): State<Text>) -> Response {
    json::response(StatusCode::OK, text.to_string()).into_response()
}
