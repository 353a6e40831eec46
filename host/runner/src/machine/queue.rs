//! The parts of the machine's state.

use super::{CallNo, InstanceNo};
use remuda_core::target::SlotKey;
use remuda_core::{MemoryMb, Moment};
use std::collections::VecDeque;
use std::time::Duration;

/// The calls that wait for one key, and what is there for them.
#[derive(Debug)]
pub(super) struct Queue {
    /// In the order of arrival.
    pub(super) waiting: VecDeque<CallNo>,
    /// Idle instances, the last used at the end: it is used first, so that the others may expire.
    pub(super) idle: Vec<InstanceNo>,
    /// Planned and starting instances.
    pub(super) coming: usize,
    pub(super) memory: MemoryMb,
    pub(super) idle_timeout: Duration,
}

impl Queue {
    pub(super) fn new(memory: MemoryMb, idle_timeout: Duration) -> Self {
        Self { waiting: VecDeque::new(), idle: Vec::new(), coming: 0, memory, idle_timeout }
    }
}

/// One instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instance {
    pub(super) key: SlotKey,
    pub(super) memory: MemoryMb,
    pub(super) state: State,
}

impl Instance {
    pub(super) fn idle_since(&self) -> Option<Moment> {
        match self.state {
            State::Idle { since } => Some(since),
            State::Planned | State::Starting | State::Busy | State::Removing => None,
        }
    }
}

/// Where in its life an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for memory that is being freed; does not exist yet.
    Planned,
    /// Being started.
    Starting,
    /// Ready for a call.
    Idle {
        /// Since when.
        since: Moment,
    },
    /// Has a call.
    Busy,
    /// Being removed.
    Removing,
}
