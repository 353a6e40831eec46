//! The engine's refusals as callers are told them.

use crate::Error;
use remuda_core::{Fault, Kind};

/// The container ended, or broke the contract, before it could be called.
pub(super) const INIT_FAILED: &str =
    "Container failed to initialize, please ensure you are using the latest fdk and check the logs";
/// The container did not listen in time.
pub(super) const INIT_TIMED_OUT: &str =
    "Container initialization timed out, please ensure you are using the latest fdk and check the logs";

/// The engine is away, or failed at something that should always work: trying elsewhere may help.
pub(super) fn unavailable(why: Error) -> Fault {
    Fault::service(Kind::Unavailable, "Container engine unavailable").caused_by(why)
}

/// A pull that ended badly. A refusal keeps its status; the engine's words are passed on, because only they say what
/// is wrong with the image's name or its registry.
pub(super) fn pull_failed(image: &str, why: Error) -> Fault {
    let Some(said) = why.engine_message() else { return unavailable(why) };
    let message = format!("Failed to pull image '{image}': {said}");
    let kind = match why.status() {
        Some(status @ 400..=499) => Kind::Foreign(status),
        _ => Kind::PullFailed,
    };
    Fault::user(kind, message).caused_by(why)
}

/// A container that could not be created.
pub(super) fn create_failed(image: &str, why: Error) -> Fault {
    match (why.status(), why.engine_message()) {
        // It was there a moment ago; another runner may have it, and the next try here pulls it again.
        (Some(404), _) => {
            Fault::service(Kind::Unavailable, format!("Image '{image}' has vanished")).caused_by(why)
        }
        // The directory that we made is not there for the engine: `FN_IOFS_DOCKER_PATH` is wrong.
        (Some(400), Some(said)) if said.contains("bind source path") => unavailable(why),
        (Some(400), Some(said)) => {
            let message = format!("Image '{image}' cannot be run: {said}");
            Fault::user(Kind::ImageRefused, message).caused_by(why)
        }
        _ => unavailable(why),
    }
}

/// A container that could not be started.
pub(super) fn start_failed(why: Error) -> Fault {
    let said = why.engine_message().unwrap_or_default();
    if said.contains("logging driver") {
        // Fn's answer. `Internal` has the same status, but its text is kept from callers.
        return Fault::user(Kind::Foreign(500), "Syslog Unavailable").caused_by(why);
    }
    // What the image asks to be run does not exist or is no program.
    if matches!(why.status(), Some(400 | 404)) || said.contains("exec:") {
        return Fault::user(Kind::InitFailed, INIT_FAILED).caused_by(why);
    }
    unavailable(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::Blame;

    fn refusal(status_code: u16, message: &str) -> Error {
        let source =
            bollard::errors::Error::DockerResponseServerError { status_code, message: message.into() };
        Error::Engine { operation: "pull", source: Box::new(source) }
    }

    #[test]
    fn a_pull_keeps_the_engines_words_and_its_refusals_their_status() {
        let fault = pull_failed("a/b:1", refusal(404, "pull access denied"));
        assert_eq!(fault.kind, Kind::Foreign(404));
        assert_eq!(fault.message, "Failed to pull image 'a/b:1': pull access denied");
        assert_eq!(fault.blame, Blame::User);
        assert_eq!(pull_failed("a", refusal(500, "no route")).kind, Kind::PullFailed);
        let stream = bollard::errors::Error::DockerStreamError { error: "manifest unknown".into() };
        let fault = pull_failed("a", Error::Engine { operation: "pull", source: Box::new(stream) });
        assert_eq!(fault.kind, Kind::PullFailed);
        assert_eq!(fault.message, "Failed to pull image 'a': manifest unknown");
    }

    #[test]
    fn an_engine_that_is_away_is_not_the_users_fault() {
        let late = || Error::Deadline { operation: "pull", after: std::time::Duration::from_secs(1) };
        for fault in [pull_failed("a", late()), create_failed("a", late()), start_failed(late())] {
            assert_eq!((fault.kind, fault.blame), (Kind::Unavailable, Blame::Service));
        }
    }

    #[test]
    fn refusals_to_create_or_start_say_whose_fault_they_are() {
        assert_eq!(create_failed("a", refusal(404, "No such image")).kind, Kind::Unavailable);
        assert_eq!(create_failed("a", refusal(400, "No command specified")).kind, Kind::ImageRefused);
        let mount = refusal(400, "invalid mount config: bind source path does not exist: /x");
        assert_eq!(create_failed("a", mount).blame, Blame::Service);
        assert_eq!(start_failed(refusal(400, "exec: \"x\": not found")).kind, Kind::InitFailed);
        let syslog = start_failed(refusal(500, "failed to initialize logging driver: dial tcp"));
        let expected = (Kind::Foreign(500), "Syslog Unavailable", Blame::User);
        assert_eq!((syslog.kind, syslog.message.as_ref(), syslog.blame), expected);
    }
}
