//! What the manager is told of one group's demand, and when the next message is due.

use remuda_core::{MemoryMb, Moment};
use std::time::Duration;

/// What to say of a group: its highest demand since the last message, so that calls shorter than the interval are seen;
/// zero once more for one that the manager still believes to want something; otherwise nothing.
pub(crate) fn word(peak: MemoryMb, believed: MemoryMb) -> Option<MemoryMb> {
    (peak > MemoryMb(0) || believed > MemoryMb(0)).then_some(peak)
}

/// When to send, given when the last message was sent: after the interval, or as soon as the debounce allows when a
/// group of which the manager knows nothing wants something.
pub(crate) fn due(last: Moment, risen: bool, interval: Duration, debounce: Duration) -> Moment {
    last.after(if risen { debounce.min(interval) } else { interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_group_is_named_once_more_with_zero() {
        assert_eq!(word(MemoryMb(128), MemoryMb(0)), Some(MemoryMb(128)));
        assert_eq!(word(MemoryMb(0), MemoryMb(128)), Some(MemoryMb(0)));
        assert_eq!(word(MemoryMb(0), MemoryMb(0)), None);
    }

    #[test]
    fn a_rise_from_nothing_is_sent_within_the_debounce() {
        let (second, debounce) = (Duration::from_secs(1), Duration::from_millis(50));
        let last = Moment::from_ms(5000);
        assert_eq!(due(last, false, second, debounce), Moment::from_ms(6000));
        assert_eq!(due(last, true, second, debounce), Moment::from_ms(5050));
    }
}
