//! What is worth a line in the log, but not one each time: a source that comes and goes must not fill it.

use remuda_core::Moment;
use std::time::Duration;

/// Between two lines about the same.
const INTERVAL: Duration = Duration::from_secs(60);

/// What was logged of the source. Each method says whether its line is due, and takes it for logged if it is.
#[derive(Default)]
pub(super) struct Reports {
    /// Whether the last line said that the source is away.
    is_away: bool,
    away: Option<Moment>,
    unusable: Option<Moment>,
}

impl Reports {
    /// The source is away: at once, or some time later if it was away shortly before.
    pub(super) fn away(&mut self, now: Moment) -> bool {
        let is_due = !self.is_away && is_due(&mut self.away, now);
        self.is_away |= is_due;
        is_due
    }
    /// The source is back: if somebody was told that it is away.
    pub(super) fn back(&mut self) -> bool {
        std::mem::take(&mut self.is_away)
    }
    /// An answer was of no use.
    pub(super) fn unusable(&mut self, now: Moment) -> bool {
        is_due(&mut self.unusable, now)
    }
}

fn is_due(last: &mut Option<Moment>, now: Moment) -> bool {
    let is_due = last.is_none_or(|last| now.since(last) >= INTERVAL);
    if is_due {
        *last = Some(now);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_comes_and_goes_is_a_line_of_each_a_minute() {
        let mut reports = Reports::default();
        let (mut away, mut back, mut unusable) = (0, 0, 0);
        for second in 0..600 {
            let now = Moment::from_ms(second * 1000);
            away += usize::from(reports.away(now));
            back += usize::from(reports.back());
            unusable += usize::from(reports.unusable(now));
        }
        assert_eq!((away, back, unusable), (10, 10, 10));
    }

    #[test]
    fn an_absence_is_reported_once_and_at_the_latest_after_a_minute() {
        let mut reports = Reports::default();
        let at = |second: u64| Moment::from_ms(second * 1000);
        assert!(reports.away(at(0)) && !reports.away(at(1)) && !reports.away(at(100)));
        assert!(reports.back() && !reports.back());
        assert!(reports.away(at(101)) && reports.back());
        assert!(!reports.away(at(102)), "it was away a moment ago");
        assert!(reports.away(at(161)), "it still is");
        assert!(reports.back());
    }
}
