//! What to do with a cached definition: use it, ask for it again, or use it although it is old because nobody answers.

use remuda_core::{Kind, Moment};
use std::time::Duration;

/// What to do for a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Answer from the cache.
    Cached,
    /// Ask the source; what is cached serves when it does not answer.
    Refresh,
    /// The source is away: answer from the cache, and have it asked in the background, once.
    CachedAndProbe,
}

/// Decides for an entry fetched at `fetched`. `away` is the moment of the next probe while the source is away.
pub(crate) fn decide(now: Moment, fetched: Moment, age: Duration, away: Option<Moment>) -> Use {
    if now.since(fetched) < age {
        return Use::Cached;
    }
    match away {
        None => Use::Refresh,
        Some(probe) if now >= probe => Use::CachedAndProbe,
        Some(_) => Use::Cached,
    }
}

/// True for a failure that says nothing about the thing asked for: the source, or what it needs, is away or broken.
pub(crate) fn source_is_away(kind: Kind) -> bool {
    match kind {
        Kind::Unavailable
        | Kind::Internal
        | Kind::Busy
        | Kind::Timeout
        | Kind::Cancelled
        | Kind::RunnerLost => true,
        Kind::Foreign(status) => status >= 500 || status == 429,
        Kind::Invalid
        | Kind::NotFound
        | Kind::Conflict
        | Kind::TooLarge
        | Kind::CannotAllocate
        | Kind::ImageRefused
        | Kind::PullFailed
        | Kind::PullTimeout
        | Kind::DetachRefused
        | Kind::InitFailed
        | Kind::InitTimeout
        | Kind::FunctionFailed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_used_asked_for_again_or_served_stale() {
        let at = Moment::from_ms;
        let age = Duration::from_secs(5);
        let table = [
            (at(4999), None, Use::Cached),
            (at(5000), None, Use::Refresh),
            (at(4999), Some(at(0)), Use::Cached),
            (at(5000), Some(at(5001)), Use::Cached),
            (at(5001), Some(at(5001)), Use::CachedAndProbe),
        ];
        for (now, away, expected) in table {
            assert_eq!(decide(now, at(0), age, away), expected, "{now:?} {away:?}");
        }
    }

    #[test]
    fn only_failures_of_the_source_keep_an_old_entry_alive() {
        assert!(source_is_away(Kind::Unavailable));
        assert!(source_is_away(Kind::Foreign(502)));
        assert!(!source_is_away(Kind::NotFound));
        assert!(!source_is_away(Kind::Foreign(403)));
    }
}
