//! The runners of each group, as they were last known.

mod group;
mod refresh;

pub(crate) use group::{Group, Members, Runner};

use crate::clock::Clock;
use crate::{Options, Ports};
use remuda_core::{Fault, GroupId, Kind, Moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, Semaphore};

/// All groups that calls have named. Reading a group's runners takes no lock.
pub(crate) struct Pools {
    groups: papaya::HashMap<GroupId, Arc<Group>>,
    options: Options,
    ports: Ports,
    clock: Clock,
    /// A group appeared that nobody has asked the members of.
    appeared: Notify,
    /// Whether anybody has ever said who a group's members are.
    answered: AtomicBool,
    asking: Semaphore,
}

impl Pools {
    pub(crate) fn new(options: Options, ports: Ports, clock: Clock) -> Self {
        let asking = Semaphore::new(options.membership_concurrency.max(1));
        Self {
            groups: papaya::HashMap::new(),
            options,
            ports,
            clock,
            appeared: Notify::new(),
            answered: AtomicBool::new(false),
            asking,
        }
    }

    /// The group of this name; a new one has its members asked for at once. A fault when there are too many.
    pub(crate) fn group(&self, id: &GroupId, now: Moment) -> Result<Arc<Group>, Fault> {
        let groups = self.groups.pin();
        if let Some(group) = groups.get(id) {
            return Ok(Arc::clone(group));
        }
        if groups.len() >= self.options.max_groups {
            return Err(Fault::service(Kind::Unavailable, "Too many LB groups are in use"));
        }
        let group = groups.get_or_insert_with(id.clone(), || Arc::new(Group::new(id.clone(), now)));
        self.appeared.notify_one();
        Ok(Arc::clone(group))
    }

    /// All groups.
    pub(crate) fn all(&self) -> Vec<Arc<Group>> {
        self.groups.pin().values().map(Arc::clone).collect()
    }

    /// True once anybody has said who a group's members are: from then on calls can be placed whatever happens.
    pub(crate) fn is_ready(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Takes a forgotten group off the map, unless another one has its name by now.
    pub(crate) fn remove(&self, group: &Arc<Group>) {
        // `Err` says that it is another one's: nothing to do.
        let _ = self.groups.pin().remove_if(group.id(), |_, known| Arc::ptr_eq(known, group));
    }

    /// Forgets groups without calls for long. The one who counts a call in afterwards sees that, and asks for the group
    /// again.
    fn forget_idle(&self, now: Moment) {
        for group in self.all() {
            if group.idle_for(now) < self.options.group_idle {
                continue;
            }
            if group.try_forget() {
                self.remove(&group);
                tracing::info!(group.id = %group.id(), "group without calls forgotten");
            }
        }
    }
}
