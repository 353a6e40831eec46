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

/// What is known about a cached definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it was asked for.
    pub(crate) fetched: Moment,
    /// Whether word has come since that it may be another now.
    pub(crate) is_outdated: bool,
}

/// Decides for an entry that is believed for `age`. `away` is the moment of the next probe while the source is away.
pub(crate) fn decide(now: Moment, entry: Entry, age: Duration, away: Option<Moment>) -> Use {
    if !entry.is_outdated && now.since(entry.fetched) < age {
        return Use::Cached;
    }
    match away {
        None => Use::Refresh,
        Some(probe) if now >= probe => Use::CachedAndProbe,
        Some(_) => Use::Cached,
    }
}

/// What a failed question says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// The source does not answer anybody: what is known of anything serves.
    SourceIsAway,
    /// Nothing, neither about the source nor about the thing asked for: what is known of the thing serves.
    Nothing,
    /// There is no such thing, or none for us.
    NoSuchThing,
}

/// What a failure of this kind says. One odd question must not make the source count as away for all others.
pub(crate) fn says(kind: Kind) -> Says {
    match kind {
        Kind::Unavailable | Kind::Foreign(500..) => Says::SourceIsAway,
        Kind::Internal
        | Kind::Busy
        | Kind::Timeout
        | Kind::Cancelled
        | Kind::RunnerLost
        // Who asks is refused, and not what is asked for.
        | Kind::Unauthorized
        | Kind::Forbidden
        | Kind::TooMany
        | Kind::Foreign(429) => Says::Nothing,
        Kind::Foreign(_)
        | Kind::Invalid
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
        | Kind::FunctionFailed => Says::NoSuchThing,
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
            (at(4999), false, None, Use::Cached),
            (at(5000), false, None, Use::Refresh),
            (at(1), true, None, Use::Refresh),
            (at(4999), false, Some(at(0)), Use::Cached),
            (at(5000), false, Some(at(5001)), Use::Cached),
            (at(5001), false, Some(at(5001)), Use::CachedAndProbe),
            (at(1), true, Some(at(5001)), Use::Cached),
            (at(5001), true, Some(at(5001)), Use::CachedAndProbe),
        ];
        for (now, is_outdated, away, expected) in table {
            let entry = Entry { fetched: at(0), is_outdated };
            assert_eq!(decide(now, entry, age, away), expected, "{now:?} {is_outdated} {away:?}");
        }
    }

    #[test]
    fn only_the_sources_own_absence_counts_for_all_and_only_its_word_ends_a_definition() {
        for (kind, expected) in [
            (Kind::Unavailable, Says::SourceIsAway),
            (Kind::Foreign(502), Says::SourceIsAway),
            (Kind::Internal, Says::Nothing),
            (Kind::Foreign(429), Says::Nothing),
            (Kind::Unauthorized, Says::Nothing),
            (Kind::Forbidden, Says::Nothing),
            (Kind::NotFound, Says::NoSuchThing),
            (Kind::Foreign(414), Says::NoSuchThing),
        ] {
            assert_eq!(says(kind), expected, "{kind:?}");
        }
    }
}
