//! What a runner says of itself.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Counters of a runner's life, for the Status call of the runner protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Calls in hand now, waiting ones included.
    pub active: i64,
    /// Calls that were offered.
    pub received: u64,
    /// Calls that were not refused for want of room.
    pub handled: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    active: AtomicI64,
    received: AtomicU64,
    handled: AtomicU64,
}

impl Counters {
    pub(crate) fn arrived(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.received.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn ended(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }
    pub(crate) fn handled(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn read(&self) -> Status {
        Status {
            active: self.active.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            handled: self.handled.load(Ordering::Relaxed),
        }
    }
}
