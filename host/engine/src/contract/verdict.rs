//! What a function's answer, or the lack of one, means. Pure.

use crate::contract::content_length;
use http::{HeaderMap, StatusCode};
use remuda_core::port::CallFault;
use remuda_core::{Fault, Kind};
use std::error::Error;

/// What a status says.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// An answer for the caller.
    Good,
    /// The function failed in a way that it may: it can be called again.
    Failed(CallFault),
    /// The function does not keep the contract: it must not be called again.
    Broken(CallFault),
}

/// What the announced size says, where there is a limit.
#[derive(Debug, PartialEq)]
pub(crate) enum Limit {
    /// It may be passed on as it comes.
    Within,
    /// It is too large.
    Beyond,
    /// It may turn out larger than this many bytes.
    Unknown(u64),
}

fn failed(message: &'static str, fatal: bool) -> CallFault {
    CallFault { fault: Fault::user(Kind::FunctionFailed, message), fatal }
}

/// The contract knows 200, 502 and 504.
pub(crate) fn of_status(status: StatusCode) -> Verdict {
    match status {
        StatusCode::OK => Verdict::Good,
        StatusCode::BAD_GATEWAY => Verdict::Failed(failed("function failed", false)),
        StatusCode::GATEWAY_TIMEOUT => Verdict::Failed(CallFault { fault: Fault::timeout(), fatal: false }),
        _ => Verdict::Broken(failed("invalid function response", true)),
    }
}

/// An event stream is passed on as it comes, because holding it back would defeat it; it is cut at the limit.
pub(crate) fn of_size(headers: &HeaderMap, limit: Option<u64>) -> Limit {
    let Some(limit) = limit else { return Limit::Within };
    match content_length(headers) {
        Some(length) if length > limit => Limit::Beyond,
        Some(_) => Limit::Within,
        None if is_event_stream(headers) => Limit::Within,
        None => Limit::Unknown(limit),
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|text| text.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The deadline had passed before the function was given the call.
pub(crate) fn too_late() -> CallFault {
    CallFault { fault: Fault::timeout(), fatal: false }
}

/// The function took longer than it may.
pub(crate) fn timed_out() -> CallFault {
    CallFault { fault: Fault::timeout(), fatal: true }
}

/// The answer's body is larger than the operator allows. The function did nothing that forbids another call.
pub(crate) fn body_too_large() -> CallFault {
    failed("function response body too large", false)
}

/// Nothing that could be understood came back.
pub(crate) fn no_answer(why: impl Into<Box<dyn Error + Send + Sync>>) -> CallFault {
    let CallFault { fault, fatal } = failed("error receiving function response", true);
    CallFault { fault: fault.caused_by(why), fatal }
}

/// An exchange that broke: because the caller's own bytes ended with a fault, which is then the reason, or because of
/// the function.
pub(crate) fn of_error(why: hyper::Error) -> CallFault {
    let mut cause = why.source();
    while let Some(this) = cause {
        if let Some(fault) = this.downcast_ref::<Fault>() {
            return CallFault { fault: fault.clone(), fatal: true };
        }
        cause = this.source();
    }
    if why.is_parse_too_large() {
        return failed("function response header too large", true);
    }
    no_answer(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_502_and_504_leave_the_function_alive() {
        for status in 200..600 {
            let verdict = of_status(StatusCode::from_u16(status).unwrap());
            match (status, verdict) {
                (200, Verdict::Good) => {}
                (502, Verdict::Failed(fault)) => assert_eq!(fault.fault.message, "function failed"),
                (504, Verdict::Failed(fault)) => assert_eq!(fault.fault.kind, Kind::Timeout),
                (_, Verdict::Broken(fault)) => {
                    assert_eq!(fault.fault.message, "invalid function response");
                    assert!(fault.fatal);
                }
                (status, verdict) => panic!("{status}: {verdict:?}"),
            }
        }
    }

    #[test]
    fn an_answer_is_held_back_only_where_its_size_is_unknown_and_matters() {
        let headers = |list: &[(&'static str, &'static str)]| {
            list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        assert_eq!(of_size(&headers(&[]), None), Limit::Within);
        assert_eq!(of_size(&headers(&[]), Some(9)), Limit::Unknown(9));
        assert_eq!(of_size(&headers(&[("content-length", "9")]), Some(9)), Limit::Within);
        assert_eq!(of_size(&headers(&[("content-length", "10")]), Some(9)), Limit::Beyond);
        let events = headers(&[("content-type", "Text/Event-Stream; charset=utf-8")]);
        assert_eq!(of_size(&events, Some(9)), Limit::Within);
    }
}
