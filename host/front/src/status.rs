//! The one table from kinds of failure to HTTP statuses of our own callers, and the log line of each failure.

use crate::json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use remuda_core::{Blame, CallId, Fault, Kind};

/// What a caller is told to wait where trying later may help, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("15");
/// How to prove who one is.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");
/// The client went away before it was answered (nginx's number; Fn's 444 is one that nginx uses for itself).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The status of a kind of failure.
pub(crate) fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid | Kind::CannotAllocate | Kind::ImageRefused => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::PullFailed | Kind::InitFailed | Kind::FunctionFailed | Kind::RunnerLost => {
            StatusCode::BAD_GATEWAY
        }
        Kind::PullTimeout | Kind::InitTimeout | Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Busy | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::DetachRefused => StatusCode::NOT_IMPLEMENTED,
        Kind::Cancelled => foreign(CLIENT_CLOSED_REQUEST),
        Kind::Foreign(code) => foreign(code),
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A code that another node chose is passed on only if it says "error".
fn foreign(code: u16) -> StatusCode {
    match code {
        400..=599 => StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The response to a request that failed.
pub(crate) fn refuse(fault: &Fault) -> Response {
    let message = match fault.kind {
        // Whatever it was made with: what went wrong inside of us is for the logs.
        Kind::Internal => "internal server error",
        _ => fault.message.as_ref(),
    };
    let mut response = json::error(status(fault.kind), message);
    // For the metrics.
    response.extensions_mut().insert(fault.blame);
    response.headers_mut().extend(headers(fault.kind));
    response
}

/// What the response to a failure of this kind says besides why.
pub(crate) fn headers(kind: Kind) -> Option<(HeaderName, HeaderValue)> {
    match kind {
        Kind::Unauthorized => Some((header::WWW_AUTHENTICATE, CHALLENGE)),
        Kind::Busy | Kind::Unavailable | Kind::TooMany => Some((header::RETRY_AFTER, RETRY_AFTER_S)),
        _ => None,
    }
}

/// How loud a failure is: what someone must look at, what we coped with, and what is a caller's or a function's own
/// affair. No room, and a caller who went away, are everyday outcomes.
#[derive(Debug, PartialEq, Eq)]
enum Loudness {
    Error,
    Warn,
    Debug,
}

fn loudness(fault: &Fault) -> Loudness {
    let ours = fault.blame == Blame::Service && status(fault.kind).is_server_error();
    match fault.kind {
        Kind::Internal => Loudness::Error,
        Kind::Busy | Kind::Cancelled | Kind::DetachRefused => Loudness::Debug,
        _ if ours => Loudness::Warn,
        _ => Loudness::Debug,
    }
}

/// Logs a failed invocation.
pub(crate) fn log_call(fault: &Fault, call: &CallId) {
    let (id, kind, error) = (call.as_str(), fault.kind, fault.chain());
    match loudness(fault) {
        Loudness::Error => tracing::error!(call.id = id, outcome = ?kind, error, "call failed"),
        Loudness::Warn => tracing::warn!(call.id = id, outcome = ?kind, error, "call failed"),
        Loudness::Debug => tracing::debug!(call.id = id, outcome = ?kind, error, "call failed"),
    }
}

/// A failure as a handler returns it; logged as it becomes a response.
pub(crate) struct Refused(pub(crate) Fault);

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (kind, error) = (self.0.kind, self.0.chain());
        match loudness(&self.0) {
            Loudness::Error => tracing::error!(outcome = ?kind, error, "request failed"),
            Loudness::Warn => tracing::warn!(outcome = ?kind, error, "request failed"),
            Loudness::Debug => tracing::debug!(outcome = ?kind, error, "request failed"),
        }
        refuse(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_status() {
        let table = [
            (Kind::Invalid, 400),
            (Kind::Unauthorized, 401),
            (Kind::Forbidden, 403),
            (Kind::TooMany, 429),
            (Kind::NotFound, 404),
            (Kind::Conflict, 409),
            (Kind::TooLarge, 413),
            (Kind::CannotAllocate, 400),
            (Kind::ImageRefused, 400),
            (Kind::PullFailed, 502),
            (Kind::PullTimeout, 504),
            (Kind::Busy, 503),
            (Kind::Cancelled, 499),
            (Kind::DetachRefused, 501),
            (Kind::InitFailed, 502),
            (Kind::InitTimeout, 504),
            (Kind::FunctionFailed, 502),
            (Kind::Timeout, 504),
            (Kind::RunnerLost, 502),
            (Kind::Unavailable, 503),
            (Kind::Foreign(429), 429),
            (Kind::Foreign(599), 599),
            (Kind::Foreign(0), 500),
            (Kind::Foreign(200), 500),
            (Kind::Foreign(600), 500),
            (Kind::Internal, 500),
        ];
        for (kind, expected) in table {
            assert_eq!(status(kind).as_u16(), expected, "{kind:?}");
        }
    }

    #[test]
    fn who_may_succeed_later_is_told_when_and_who_is_unknown_how_to_be_known() {
        let of = |kind| refuse(&Fault::user(kind, "x")).headers().clone();
        for kind in [Kind::Busy, Kind::Unavailable, Kind::TooMany] {
            assert_eq!(of(kind)[header::RETRY_AFTER], "15", "{kind:?}");
        }
        assert_eq!(of(Kind::Unauthorized)[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(of(Kind::Forbidden).len(), of(Kind::Invalid).len());
    }

    #[test]
    fn only_our_own_failures_are_loud() {
        assert_eq!(loudness(&Fault::internal("x")), Loudness::Error);
        assert_eq!(loudness(&Fault::service(Kind::Unavailable, "x")), Loudness::Warn);
        assert_eq!(loudness(&Fault::service(Kind::RunnerLost, "x")), Loudness::Warn);
        for quiet in [Fault::busy(), Fault::cancelled(), Fault::timeout(), Fault::invalid("x")] {
            assert_eq!(loudness(&quiet), Loudness::Debug, "{quiet}");
        }
    }
}
