//! Whether a runner can be reached: one that could not is tried last for a short while.

use remuda_core::Moment;
use std::time::Duration;

/// How long a runner that could not be reached once is tried last.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Back-offs double up to this one.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// What is known of one runner's reachability; `Copy`, so that it can live in one atomic word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Failures in a row.
    failures: u8,
    /// Tried last before this moment; zero for never.
    until: Moment,
}

impl Reach {
    /// The runner could not be reached. Failures of calls that were under way at once count once.
    pub(crate) fn failed(self, now: Moment) -> Self {
        if self.is_away(now) {
            return self;
        }
        let backoff = (FIRST_BACKOFF * (1 << self.failures.min(10))).min(LONGEST_BACKOFF);
        Self { failures: self.failures.saturating_add(1), until: now.after(backoff) }
    }
    /// True while the runner is to be tried last.
    pub(crate) fn is_away(self, now: Moment) -> bool {
        now < self.until
    }
    /// Until when it is tried last.
    pub(crate) fn until(self) -> Moment {
        self.until
    }
    /// One word: 8 bits of failures, 56 bits of milliseconds (two million years).
    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.failures) << 56 | (self.until.as_ms() & (u64::MAX >> 8))
    }
    /// What [`Reach::to_word`] wrote.
    pub(crate) fn from_word(word: u64) -> Self {
        Self { failures: (word >> 56) as u8, until: Moment::from_ms(word & (u64::MAX >> 8)) }
    }
}

/// Moves the candidates that are away behind the others; otherwise the order stays.
pub(crate) fn away_last(order: &mut [usize], is_away: impl Fn(usize) -> bool) {
    order.sort_by_key(|candidate| is_away(*candidate));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_offs_double_to_five_seconds() {
        let (mut now, mut reach, mut lengths) = (Moment::from_ms(1000), Reach::default(), Vec::new());
        for _ in 0..8 {
            reach = reach.failed(now);
            lengths.push(reach.until().since(now).as_millis());
            assert!(reach.is_away(now));
            now = reach.until();
            assert!(!reach.is_away(now));
        }
        assert_eq!(lengths, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(Reach::from_word(reach.to_word()), reach);
    }

    #[test]
    fn failures_of_calls_under_way_together_count_once() {
        let now = Moment::from_ms(1000);
        let once = Reach::default().failed(now);
        assert_eq!(once.failed(now), once);
    }

    #[test]
    fn runners_that_are_away_come_last_and_keep_their_order() {
        let mut order = [3, 1, 0, 2];
        away_last(&mut order, |candidate| candidate == 3 || candidate == 0);
        assert_eq!(order, [1, 2, 3, 0]);
    }
}
