//! A call's share of its group's demand, from the moment it looks for a runner until its answer has ended.

use crate::pools::{Group, Pools};
use remuda_core::{Fault, GroupId, MemoryMb, Moment};
use std::sync::Arc;

/// Holds the share; dropping it gives it back, whatever ended the call.
pub(crate) struct CallGuard {
    group: Arc<Group>,
    memory: MemoryMb,
}

impl CallGuard {
    /// Counts a call in. Says, too, whether the manager is to be told at once.
    pub(crate) fn enter(
        pools: &Pools,
        id: &GroupId,
        memory: MemoryMb,
        now: Moment,
    ) -> Result<(Self, bool), Fault> {
        loop {
            let group = pools.group(id, now)?;
            if let Some(risen) = group.enter(memory, now) {
                return Ok((Self { group, memory }, risen));
            }
            // It was forgotten since we looked: the next look finds, or makes, another.
            pools.remove(&group);
        }
    }
    /// The call's group.
    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.group.leave(self.memory);
    }
}
