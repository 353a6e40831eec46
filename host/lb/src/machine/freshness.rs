//! What to do with a cached definition: use it, ask for it again, or use it although it is old because nobody answers.

use remuda_core::{Kind, Moment};
use std::time::Duration;

/// What to do for a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Answer from the cache.
    Cached,
    /// Ask the source; what is cached may serve when it does not answer, as [`serves`] says.
    Refresh,
    /// Ask the source, whose answer alone counts: what is cached is too old to serve at all.
    Ask,
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

/// For how long entries of some kind are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Belief {
    /// While the source can be asked.
    pub(crate) age: Duration,
    /// While it cannot; none for ever.
    pub(crate) max_age: Option<Duration>,
}

/// Decides for an entry. `away` is the moment of the next probe while the source is away.
pub(crate) fn decide(now: Moment, entry: Entry, belief: Belief, away: Option<Moment>) -> Use {
    let age = now.since(entry.fetched);
    if !entry.is_outdated && age < belief.age {
        return Use::Cached;
    }
    if belief.max_age.is_some_and(|max_age| age >= max_age) {
        return Use::Ask;
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
    /// The source is there, and what it says of the thing is of no use. Perhaps the thing's owner sees to that, so that
    /// what is known goes on to serve: it does so only for a while, and not if it is known to be out of date.
    Unusable,
    /// There is no such thing, or none for us.
    NoSuchThing,
}

/// What a failure of this kind says. One odd question must not make the source count as away for all others.
pub(crate) fn says(kind: Kind) -> Says {
    match kind {
        Kind::Unavailable | Kind::Foreign(500..) => Says::SourceIsAway,
        Kind::Internal => Says::Unusable,
        // One that is asked for too much says so: it is there.
        Kind::Busy
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

/// Whether `entry` serves although its source was asked for it and failed.
pub(crate) fn serves(says: Says, now: Moment, entry: Entry, age: Duration) -> bool {
    match says {
        Says::SourceIsAway | Says::Nothing => true,
        Says::Unusable => !entry.is_outdated && now.since(entry.fetched) < age.saturating_mul(2),
        Says::NoSuchThing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_used_asked_for_again_or_served_stale() {
        let at = Moment::from_ms;
        let belief = Belief { age: Duration::from_secs(5), max_age: Some(Duration::from_secs(10)) };
        let table = [
            (at(4999), false, None, Use::Cached),
            (at(5000), false, None, Use::Refresh),
            (at(1), true, None, Use::Refresh),
            (at(4999), false, Some(at(0)), Use::Cached),
            (at(5000), false, Some(at(5001)), Use::Cached),
            (at(5001), false, Some(at(5001)), Use::CachedAndProbe),
            (at(1), true, Some(at(5001)), Use::Cached),
            (at(5001), true, Some(at(5001)), Use::CachedAndProbe),
            (at(9999), false, Some(at(10_001)), Use::Cached),
            (at(10_000), false, Some(at(10_001)), Use::Ask),
            (at(10_000), false, None, Use::Ask),
        ];
        for (now, is_outdated, away, expected) in table {
            let entry = Entry { fetched: at(0), is_outdated };
            assert_eq!(decide(now, entry, belief, away), expected, "{now:?} {is_outdated} {away:?}");
            let for_ever = decide(now, entry, Belief { max_age: None, ..belief }, away);
            assert!(for_ever == expected || expected == Use::Ask, "{for_ever:?}");
        }
    }

    #[test]
    fn what_is_known_serves_when_nobody_answers_and_for_a_while_when_the_answer_is_of_no_use() {
        let at = Moment::from_ms;
        for (says, now, is_outdated, expected) in [
            (Says::SourceIsAway, at(1_000_000), true, true),
            (Says::Nothing, at(1_000_000), true, true),
            (Says::Unusable, at(9_999), false, true),
            (Says::Unusable, at(10_000), false, false),
            (Says::Unusable, at(1), true, false),
            (Says::NoSuchThing, at(1), false, false),
        ] {
            let entry = Entry { fetched: at(0), is_outdated };
            assert_eq!(serves(says, now, entry, Duration::from_secs(5)), expected, "{says:?} {now:?}");
        }
        let entry = Entry { fetched: at(0), is_outdated: false };
        assert!(serves(Says::Unusable, at(u64::MAX), entry, Duration::MAX));
    }

    #[test]
    fn only_the_sources_own_absence_counts_for_all_and_only_its_word_ends_a_definition() {
        for (kind, expected) in [
            (Kind::Unavailable, Says::SourceIsAway),
            (Kind::Foreign(502), Says::SourceIsAway),
            (Kind::Internal, Says::Unusable),
            (Kind::Busy, Says::Nothing),
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
