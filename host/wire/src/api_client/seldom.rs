//! What is worth a line in the log, but not one each time.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// True for the first who asks, and for the first who asks again after a while.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}
