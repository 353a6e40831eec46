//! What a runner is told at its start.

use remuda_core::{GroupId, MemoryMb};
use std::time::Duration;

/// How a runner behaves. The hallway fills it from the environment.
#[derive(Clone, Debug)]
pub struct Options {
    /// The memory that all containers together may reserve.
    pub total_memory: MemoryMb,
    /// The only group whose calls are taken; `None` takes every group's.
    pub group: Option<GroupId>,
    /// True: a call that no instance, present or starting, can serve is refused at once. False: it waits for room.
    pub refuse_when_full: bool,
    /// From a container's start until its function must listen.
    pub start_timeout: Duration,
    /// How many calls may wait at once; beyond it calls are refused.
    pub max_waiting: usize,
    /// The largest request body of a detached call, which is read before the call is accepted, in bytes.
    pub max_detached_body: usize,
}

impl Options {
    /// Fn's defaults, with `total_memory` to share out.
    pub fn new(total_memory: MemoryMb) -> Self {
        Self {
            total_memory,
            group: None,
            refuse_when_full: false,
            start_timeout: Duration::from_secs(5),
            max_waiting: 10_000,
            max_detached_body: 16 * 1024 * 1024,
        }
    }
}
