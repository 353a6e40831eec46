//! A call: one invocation of a function, and its answer.

use crate::{CallId, Fault, Target, Timestamp, TriggerId};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use std::sync::Arc;

/// Bytes that stream in either direction; an error ends the stream and says why.
pub type Body = UnsyncBoxBody<Bytes, Fault>;

/// A body that is already here.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body without bytes.
pub fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Whether the caller waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The caller gets the function's answer.
    Sync,
    /// The caller is told that the function is about to run, and no more.
    Detached,
}

/// One invocation. Everything that all calls of the function share is in [`Call::target`].
#[derive(Clone, Debug)]
pub struct Call {
    /// Made where the call came in.
    pub id: CallId,
    /// What runs.
    pub target: Arc<Target>,
    /// The trigger that it came through, if any.
    pub trigger_id: Option<TriggerId>,
    /// Whether the caller waits.
    pub mode: Mode,
    /// The method of the HTTP request that started it.
    pub method: Method,
    /// The absolute URL of that request.
    pub url: String,
    /// What the function is given as headers (hop-by-hop ones are gone; for triggers, already renamed).
    pub headers: HeaderMap,
    /// When it came in.
    pub created_at: Timestamp,
}

/// What a function answered. The body may still be on its way; dropping it cancels the call.
pub struct Answer {
    /// 200, or 202 for a detached call that was accepted. The function's own HTTP status, if it set one, is in its
    /// `Fn-Http-Status` header.
    pub status: StatusCode,
    /// The function's headers, hop-by-hop ones removed.
    pub headers: HeaderMap,
    /// The function's bytes. An error is the reason why the rest is missing.
    pub body: Body,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("headers", &self.headers).finish()
    }
}

impl Answer {
    /// What a detached call is answered once a slot is its own.
    pub fn accepted() -> Self {
        Self { status: StatusCode::ACCEPTED, headers: HeaderMap::new(), body: empty() }
    }
}

/// Headers that belong to one connection and not to the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes the headers that belong to one connection; `TE: trailers` stays.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if headers.get("te").is_some_and(|value| value != "trailers") {
        headers.remove("te");
    }
}
