//! What requests and a group's driver share.

use crate::Options;
use crate::machine::demand::Demand;
use remuda_core::{Fault, GroupId, LbId, MemoryMb, Moment, RunnerAddress};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Who the members are.
#[derive(Clone, Debug)]
pub(crate) enum Membership {
    /// Nobody has asked the control plane yet.
    Unknown,
    /// The control plane never answered yet, and this is why.
    Failed(Fault),
    /// As last listed.
    Known(Arc<[RunnerAddress]>),
}

/// One group. Requests read and write this, and never wait for the control plane (but for the first listing); its
/// driver does the rest.
pub(crate) struct Group {
    id: GroupId,
    demand: Mutex<Demand>,
    members: watch::Sender<Membership>,
    /// More is wanted than before.
    grew: Notify,
    mentioned: AtomicU64,
}

impl Group {
    pub(crate) fn new(id: GroupId, options: &Options, now: Moment) -> Self {
        Self {
            id,
            demand: Mutex::new(Demand::new(options.demand_hold, options.max_lbs)),
            members: watch::Sender::new(Membership::Unknown),
            grew: Notify::new(),
            mentioned: AtomicU64::new(now.as_ms()),
        }
    }

    pub(crate) fn id(&self) -> &GroupId {
        &self.id
    }

    /// Somebody asked about the group or wants something of it.
    pub(crate) fn mention(&self, now: Moment) {
        self.mentioned.fetch_max(now.as_ms(), Ordering::Relaxed);
    }
    /// How long ago that was.
    pub(crate) fn unmentioned_for(&self, now: Moment) -> Duration {
        now.since(Moment::from_ms(self.mentioned.load(Ordering::Relaxed)))
    }

    /// Takes a load balancer's word; the driver is woken when more is wanted.
    pub(crate) fn want(&self, now: Moment, lb: &LbId, memory: MemoryMb) {
        if self.demand.lock().unwrap_or_else(PoisonError::into_inner).set(now, lb, memory) {
            self.grew.notify_one();
        }
    }
    /// What is wanted now.
    pub(crate) fn wanted(&self, now: Moment) -> MemoryMb {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner).total(now)
    }
    /// Resolves when more is wanted than before.
    pub(crate) async fn grew(&self) {
        self.grew.notified().await;
    }

    /// Tells who the members are.
    pub(crate) fn publish(&self, members: Vec<RunnerAddress>) {
        self.members.send_if_modified(|known| {
            let same = matches!(known, Membership::Known(now) if now[..] == members[..]);
            if !same {
                *known = Membership::Known(members.into());
            }
            !same
        });
    }
    /// Tells why nobody knows, unless somebody did before.
    pub(crate) fn publish_failure(&self, fault: Fault) {
        self.members.send_if_modified(|known| {
            let never_known = !matches!(known, Membership::Known(_));
            if never_known {
                *known = Membership::Failed(fault);
            }
            never_known
        });
    }
    /// The members; waits, at most so long, for a first listing that is still under way.
    pub(crate) async fn members(&self, patience: Duration) -> Membership {
        let mut members = self.members.subscribe();
        let known = members.wait_for(|members| !matches!(members, Membership::Unknown));
        match tokio::time::timeout(patience, known).await {
            Ok(Ok(known)) => known.clone(),
            // The sender is this group's, so it is only the time that can run out.
            Ok(Err(_)) | Err(_) => Membership::Unknown,
        }
    }
}
