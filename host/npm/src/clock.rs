//! The node's monotonic clock, as the machines are told it.

use remuda_core::Moment;
use std::time::Duration;
use tokio::time::Instant;

/// Turns the runtime's instants into [`Moment`]s and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose first moment is one second after its zero, so that zero can mean "never".
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }
    /// The present moment.
    pub(crate) fn now(self) -> Moment {
        Moment::from_ms(1000).after(self.start.elapsed())
    }
    /// The instant of a moment, for timers.
    pub(crate) fn instant(self, at: Moment) -> Instant {
        let after_start = at.since(Moment::from_ms(1000));
        // A moment too far away for the platform's clock is as good as thirty years from now.
        let far = Duration::from_secs(30 * 365 * 24 * 3600);
        self.start.checked_add(after_start).unwrap_or(self.start + far)
    }
}
