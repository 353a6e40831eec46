//! Faults as the runner protocol carries them: a code, a text, and whose doing it is.

use remuda_core::{Blame, Fault, Kind};
use remuda_proto::runner::CallFinished;

/// The code that says "no room here, nothing was started".
pub(crate) const BUSY: i32 = 503;
/// Its text; foreign balancers show it.
pub(crate) const BUSY_TEXT: &str = "Timed out - server too busy";
/// What a caller is told when a runner failed without a word.
const SPEECHLESS: &str = "Unknown Error From Pure Runner";

/// The code of a fault. Only [`Kind::Busy`] may be 503: a balancer that reads that number tries elsewhere, and a fault
/// of any other kind may come from a call that has begun.
pub(crate) fn code(kind: Kind) -> i32 {
    match kind {
        Kind::Invalid | Kind::CannotAllocate | Kind::ImageRefused => 400,
        Kind::Unauthorized => 401,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::Conflict => 409,
        Kind::TooLarge => 413,
        Kind::TooMany => 429,
        Kind::Cancelled => 444,
        Kind::DetachRefused => 501,
        Kind::InitFailed | Kind::FunctionFailed | Kind::PullFailed | Kind::RunnerLost => 502,
        Kind::Busy => BUSY,
        Kind::InitTimeout | Kind::PullTimeout | Kind::Timeout => 504,
        Kind::Foreign(503) | Kind::Unavailable | Kind::Internal => 500,
        Kind::Foreign(code) => i32::from(code),
    }
}

/// The fault of a failing Finished that is not a refusal. Kinds that share a code are told apart by Fn's texts.
pub(crate) fn fault(finished: &CallFinished) -> Fault {
    let text = finished.error_str.as_str();
    let kind = match finished.error_code {
        400 if text.starts_with("Requested CPU/Memory") => Kind::CannotAllocate,
        400 if text == "Invalid Fn image" || text == "image has Volume definition" => Kind::ImageRefused,
        400 => Kind::Invalid,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        413 => Kind::TooLarge,
        444 => Kind::Cancelled,
        501 => Kind::DetachRefused,
        502 if text.starts_with("Failed to pull image") => Kind::PullFailed,
        502 if text.starts_with("Container failed to initialize") => Kind::InitFailed,
        502 => Kind::FunctionFailed,
        504 if text.starts_with("Image pull timed out") => Kind::PullTimeout,
        504 if text.starts_with("Container initialization timed out") => Kind::InitTimeout,
        504 => Kind::Timeout,
        503 => Kind::Busy,
        // Ours says no more than that we failed; a failure that is the user's doing keeps its text.
        500 if finished.error_user => Kind::Foreign(500),
        500 => Kind::Internal,
        // 0 is a runner that could not read the call; what is no HTTP status is as good as none.
        other => match u16::try_from(other) {
            Ok(status @ 400..600) => Kind::Foreign(status),
            _ => Kind::Internal,
        },
    };
    let message = if text.is_empty() { SPEECHLESS.to_owned() } else { text.to_owned() };
    let mut fault = Fault::service(kind, message);
    if finished.error_user {
        fault.blame = Blame::User;
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(fault_sent: &Fault) -> Fault {
        fault(&CallFinished {
            error_code: code(fault_sent.kind),
            error_str: fault_sent.message.to_string(),
            error_user: fault_sent.blame == Blame::User,
            ..CallFinished::default()
        })
    }

    #[test]
    fn kinds_that_callers_can_tell_apart_survive_the_wire() {
        let sent = [
            Fault::user(Kind::FunctionFailed, "function failed"),
            Fault::user(
                Kind::InitFailed,
                "Container failed to initialize, please ensure you are using the latest fdk and check the logs",
            ),
            Fault::user(
                Kind::InitTimeout,
                "Container initialization timed out, please ensure you are using the latest fdk and check the logs",
            ),
            Fault::user(Kind::PullFailed, "Failed to pull image 'x': no such thing"),
            Fault::user(Kind::PullTimeout, "Image pull timed out"),
            Fault::timeout(),
            Fault::service(Kind::CannotAllocate, "Requested CPU/Memory cannot be allocated"),
            Fault::service(Kind::ImageRefused, "Invalid Fn image"),
            Fault::service(Kind::DetachRefused, "Detach call functions are not supported on this server"),
            Fault::cancelled(),
            Fault::busy(),
            Fault::service(Kind::Foreign(429), "Too many requests submitted"),
        ];
        for fault in sent {
            let arrived = there_and_back(&fault);
            assert_eq!(
                (arrived.kind, arrived.message, arrived.blame),
                (fault.kind, fault.message, fault.blame)
            );
        }
    }

    #[test]
    fn only_busy_is_a_refusal() {
        for kind in [Kind::Unavailable, Kind::Internal, Kind::Foreign(503), Kind::RunnerLost] {
            assert_ne!(code(kind), BUSY, "{kind:?}");
        }
    }

    #[test]
    fn a_code_of_zero_is_internal_and_an_empty_text_has_a_stand_in() {
        let arrived = fault(&CallFinished::default());
        assert_eq!((arrived.kind, arrived.message.as_ref()), (Kind::Internal, SPEECHLESS));
        let odd = fault(&CallFinished { error_code: -7, error_str: "x".into(), ..CallFinished::default() });
        assert_eq!(odd.kind, Kind::Internal);
    }
}
