//! The room's service: groups by name, each with its driver.

use crate::Options;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::group::{self, Group};
use async_trait::async_trait;
use remuda_core::port::{ControlPlane, DemandSink, Membership};
use remuda_core::{Fault, GroupDemand, GroupId, Kind, LbId, MemoryMb, RunnerAddress};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The manager. Cloning is cheap, and clones are the same manager.
#[derive(Clone)]
pub struct NodePool {
    inner: Arc<Inner>,
}

struct Inner {
    options: Arc<Options>,
    control_plane: Arc<dyn ControlPlane>,
    clock: Clock,
    groups: papaya::HashMap<GroupId, Arc<Group>>,
    /// Groups that need a driver; as many as there may be groups.
    appeared: mpsc::Sender<Arc<Group>>,
    /// The other end, for whoever runs the manager.
    to_drive: tokio::sync::Mutex<mpsc::Receiver<Arc<Group>>>,
    /// The groups that each load balancer named last, so that those it names no more are known.
    named: Mutex<BTreeMap<LbId, Named>>,
}

struct Named {
    heard: remuda_core::Moment,
    groups: BTreeSet<GroupId>,
}

impl NodePool {
    /// A manager of what `control_plane` makes. Nothing happens until [`NodePool::run`] runs.
    pub fn new(options: Options, control_plane: Arc<dyn ControlPlane>) -> Self {
        let (appeared, to_drive) = mpsc::channel(options.max_groups.max(1));
        let inner = Inner {
            options: Arc::new(options),
            control_plane,
            clock: Clock::start(),
            groups: papaya::HashMap::new(),
            appeared,
            to_drive: tokio::sync::Mutex::new(to_drive),
            named: Mutex::new(BTreeMap::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Who a group's runners are, for load balancers. The first question about a group waits a moment for the first
    /// listing; no other waits for the control plane.
    pub fn membership(&self) -> Arc<dyn Membership> {
        Arc::clone(&self.inner) as Arc<dyn Membership>
    }

    /// Where load balancers say what they want. Never waits for the control plane.
    pub fn demand_sink(&self) -> Arc<dyn DemandSink> {
        Arc::clone(&self.inner) as Arc<dyn DemandSink>
    }

    /// Drives the groups until `shutdown`. Closing the control plane afterwards is the caller's.
    pub async fn run(&self, shutdown: CancellationToken) {
        let inner = &self.inner;
        let mut to_drive = inner.to_drive.lock().await;
        let mut drivers = JoinSet::new();
        let mut driven = HashMap::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(group) = to_drive.recv() => {
                    let control_plane = Arc::clone(&inner.control_plane);
                    let driver = Driver::new(Arc::clone(&group), control_plane, Arc::clone(&inner.options), inner.clock);
                    let task = drivers.spawn(driver.run(shutdown.clone()));
                    driven.insert(task.id(), group);
                }
                Some(ended) = drivers.join_next_with_id() => {
                    let (task, error) = match ended {
                        Ok((task, ())) => (task, None),
                        Err(error) => (error.id(), Some(error)),
                    };
                    if let Some(group) = driven.remove(&task) {
                        if let Some(error) = error {
                            // The next word about the group makes a new one, which learns all from the listing.
                            tracing::error!(group.id = %group.id(), error = %error, "a group's driver panicked");
                        }
                        inner.remove(&group);
                    }
                }
            }
        }
        drivers.shutdown().await;
    }
}

impl Inner {
    fn group(&self, id: &GroupId) -> Result<Arc<Group>, Fault> {
        let groups = self.groups.pin();
        if let Some(group) = groups.get(id) {
            return Ok(Arc::clone(group));
        }
        if groups.len() >= self.options.max_groups {
            return Err(Fault::service(Kind::Unavailable, "Too many LB groups are in use"));
        }
        let made = Arc::new(Group::new(id.clone(), &self.options, self.clock.now()));
        match groups.try_insert(id.clone(), Arc::clone(&made)) {
            Ok(_) => {}
            Err(taken) => return Ok(Arc::clone(taken.current)),
        }
        if self.appeared.try_send(Arc::clone(&made)).is_err() {
            self.remove(&made);
            return Err(Fault::service(Kind::Unavailable, "The node pool manager is closing or overloaded"));
        }
        Ok(made)
    }

    fn remove(&self, group: &Arc<Group>) {
        // `Err` says that another group has the name by now: nothing to do.
        let _ = self.groups.pin().remove_if(group.id(), |_, known| Arc::ptr_eq(known, group));
    }

    /// The groups that a load balancer named in its last message and not in this one.
    fn no_longer_named(&self, lb: &LbId, named: BTreeSet<GroupId>) -> Vec<GroupId> {
        let now = self.clock.now();
        let mut known = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let hold = self.options.demand_hold;
        known.retain(|_, word| now.since(word.heard) < hold);
        if known.len() >= self.options.max_lbs && !known.contains_key(lb) {
            // What it said runs out by itself.
            return Vec::new();
        }
        let before = known.insert(lb.clone(), Named { heard: now, groups: named.clone() });
        before.map(|before| before.groups.difference(&named).cloned().collect()).unwrap_or_default()
    }
}

#[async_trait]
impl Membership for Inner {
    async fn members(&self, id: &GroupId) -> Result<Vec<RunnerAddress>, Fault> {
        let group = self.group(id)?;
        group.mention(self.clock.now());
        match group.members(self.options.first_listing).await {
            group::Membership::Known(members) => Ok(members.to_vec()),
            group::Membership::Failed(fault) => Err(fault),
            group::Membership::Unknown => {
                Err(Fault::service(Kind::Unavailable, "The control plane has not listed the group yet"))
            }
        }
    }
}

#[async_trait]
impl DemandSink for Inner {
    async fn advertise(&self, lb: &LbId, demand: Vec<GroupDemand>) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut refused = None;
        let mut named = BTreeSet::new();
        for GroupDemand { group: id, memory } in demand {
            if memory == MemoryMb(0) {
                self.wants_nothing(lb, &id);
                continue;
            }
            match self.group(&id) {
                Ok(group) => {
                    group.mention(now);
                    group.want(now, lb, memory);
                    named.insert(id);
                }
                Err(fault) => refused = Some(fault),
            }
        }
        for id in self.no_longer_named(lb, named) {
            self.wants_nothing(lb, &id);
        }
        refused.map_or(Ok(()), Err)
    }
}

impl Inner {
    /// A group that nobody knows stays unknown.
    fn wants_nothing(&self, lb: &LbId, id: &GroupId) {
        let groups = self.groups.pin();
        if let Some(group) = groups.get(id) {
            group.want(self.clock.now(), lb, MemoryMb(0));
        }
    }
}
