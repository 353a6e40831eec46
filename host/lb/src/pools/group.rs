//! One group: its runners, its demand, and those who wait for either to change.

use crate::machine::reach::Reach;
use arc_swap::ArcSwap;
use remuda_core::port::{Connector, Executor};
use remuda_core::{Fault, GroupId, MemoryMb, Moment, RunnerAddress};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// In the count of calls: the group was closed for good.
const FORGOTTEN: usize = 1 << (usize::BITS - 1);

/// A client of one runner, kept as long as a pool lists it or a call runs on it.
pub(crate) struct Runner {
    /// Offers calls to it.
    pub(crate) executor: Arc<dyn Executor>,
    reach: AtomicU64,
}

impl Runner {
    fn new(executor: Arc<dyn Executor>) -> Self {
        Self { executor, reach: AtomicU64::new(Reach::default().to_word()) }
    }
    /// What is known of its reachability.
    pub(crate) fn reach(&self) -> Reach {
        Reach::from_word(self.reach.load(Ordering::Relaxed))
    }
    /// It was reached.
    pub(crate) fn reached(&self) {
        if self.reach.load(Ordering::Relaxed) != 0 {
            self.reach.store(0, Ordering::Relaxed);
        }
    }
    /// It could not be reached. A race between two failures loses one of them, which does not matter.
    pub(crate) fn failed(&self, now: Moment) -> Reach {
        let reach = self.reach().failed(now);
        self.reach.store(reach.to_word(), Ordering::Relaxed);
        reach
    }
}

/// A pool at one moment: the same index names an address and its client.
#[derive(Default)]
pub(crate) struct Members {
    /// In the order of the membership's answer, without duplicates.
    pub(crate) addresses: Vec<RunnerAddress>,
    /// Their clients.
    pub(crate) runners: Vec<Arc<Runner>>,
}

/// See the module.
pub(crate) struct Group {
    id: GroupId,
    members: ArcSwap<Members>,
    /// Whether anybody has ever said who the members are.
    known: AtomicBool,
    /// Why the last question for the members failed; empty after an answer.
    trouble: Mutex<Option<Fault>>,
    /// Woken one at a time when a call ends, and all at once when the pool changes.
    capacity: Notify,
    waiting: AtomicUsize,
    /// The latest moment until which any runner is tried last, in milliseconds; spares healthy pools the look.
    away_until: AtomicU64,
    /// Calls counted in; [`FORGOTTEN`] and more once the group takes no more.
    calls: AtomicUsize,
    wanted_mb: AtomicU64,
    /// The most that was wanted since the last message about demand.
    peak_mb: AtomicU64,
    /// What the manager was last told.
    believed_mb: AtomicU64,
    used: AtomicU64,
    asking: AtomicBool,
}

impl Group {
    pub(super) fn new(id: GroupId, now: Moment) -> Self {
        Self {
            id,
            members: ArcSwap::default(),
            known: AtomicBool::new(false),
            trouble: Mutex::new(None),
            capacity: Notify::new(),
            waiting: AtomicUsize::new(0),
            away_until: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            wanted_mb: AtomicU64::new(0),
            peak_mb: AtomicU64::new(0),
            believed_mb: AtomicU64::new(0),
            used: AtomicU64::new(now.as_ms()),
            asking: AtomicBool::new(false),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(id: GroupId) -> Self {
        Self::new(id, Moment::default())
    }

    /// The group's name.
    pub(crate) fn id(&self) -> &GroupId {
        &self.id
    }
    /// The pool as it is now.
    pub(crate) fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }
    /// False until the members were told for the first time.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }
    /// Why nobody knows the members, if that is so.
    pub(crate) fn trouble(&self) -> Option<Fault> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Notes why the members could not be had, or that they could; true when that is news.
    pub(super) fn set_trouble(&self, fault: Option<Fault>) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let news = trouble.is_some() != fault.is_some();
        *trouble = fault;
        drop(trouble);
        if news {
            self.capacity.notify_waiters();
        }
        news
    }

    /// Takes what a membership answered. Clients of runners that stay are kept; those of others close when their last
    /// call ends. Says how many came and went. Only one caller at a time ([`Group::begin_asking`]).
    pub(super) fn replace(
        &self,
        mut addresses: Vec<RunnerAddress>,
        connector: &dyn Connector,
    ) -> (usize, usize) {
        let mut seen = std::collections::HashSet::with_capacity(addresses.len());
        addresses.retain(|address| seen.insert(address.clone()));
        let old = self.members.load_full();
        if old.addresses == addresses && self.is_known() {
            return (0, 0);
        }
        let kept: HashMap<&RunnerAddress, &Arc<Runner>> = old.addresses.iter().zip(&old.runners).collect();
        let mut came = 0;
        let runners = addresses.iter().map(|address| match kept.get(address) {
            Some(runner) => Arc::clone(runner),
            None => {
                came += 1;
                Arc::new(Runner::new(connector.connect(address)))
            }
        });
        let runners: Vec<_> = runners.collect();
        let went = old.runners.len() + came - runners.len();
        self.members.store(Arc::new(Members { addresses, runners }));
        self.known.store(true, Ordering::Release);
        self.capacity.notify_waiters();
        (came, went)
    }

    /// Claims the right to ask for the members; false while somebody else has it.
    pub(super) fn begin_asking(&self) -> bool {
        !self.asking.swap(true, Ordering::AcqRel)
    }
    /// Gives that right back.
    pub(super) fn end_asking(&self) {
        self.asking.store(false, Ordering::Release);
    }

    /// Whether any runner may be away at `now`.
    pub(crate) fn has_away(&self, now: Moment) -> bool {
        now.as_ms() < self.away_until.load(Ordering::Relaxed)
    }
    /// Notes that a runner is away until `until`.
    pub(crate) fn note_away(&self, until: Moment) {
        self.away_until.fetch_max(until.as_ms(), Ordering::Relaxed);
    }

    /// Counts a call in. `None` when the group was forgotten meanwhile; else whether the manager is to be told at
    /// once, because it believes that nothing is wanted here.
    pub(crate) fn enter(&self, memory: MemoryMb, now: Moment) -> Option<bool> {
        if self.calls.fetch_add(1, Ordering::AcqRel) >= FORGOTTEN {
            return None;
        }
        let wanted = self.wanted_mb.fetch_add(memory.0, Ordering::Relaxed).saturating_add(memory.0);
        self.peak_mb.fetch_max(wanted, Ordering::Relaxed);
        if self.used.load(Ordering::Relaxed) < now.as_ms() {
            self.used.store(now.as_ms(), Ordering::Relaxed);
        }
        Some(wanted == memory.0 && self.believed_mb.load(Ordering::Relaxed) == 0)
    }
    /// Counts a call out, and lets one waiting call try.
    pub(crate) fn leave(&self, memory: MemoryMb) {
        self.wanted_mb.fetch_sub(memory.0, Ordering::Relaxed);
        self.calls.fetch_sub(1, Ordering::AcqRel);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.capacity.notify_one();
        }
    }
    /// What calls want now.
    #[cfg(test)]
    pub(crate) fn wanted(&self) -> MemoryMb {
        MemoryMb(self.wanted_mb.load(Ordering::Relaxed))
    }
    /// The most that was wanted since the last time this was asked, and what the manager believes.
    pub(crate) fn take_peak(&self) -> (MemoryMb, MemoryMb) {
        let now_wanted = self.wanted_mb.load(Ordering::Relaxed);
        let peak = self.peak_mb.swap(now_wanted, Ordering::Relaxed).max(now_wanted);
        (MemoryMb(peak), MemoryMb(self.believed_mb.load(Ordering::Relaxed)))
    }
    /// Notes what the manager was told.
    pub(crate) fn set_believed(&self, memory: MemoryMb) {
        self.believed_mb.store(memory.0, Ordering::Relaxed);
    }

    /// How long the group had no call.
    pub(super) fn idle_for(&self, now: Moment) -> Duration {
        if self.calls.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        now.since(Moment::from_ms(self.used.load(Ordering::Relaxed)))
    }
    /// Closes the group to new calls for good, unless it has one, or the manager still believes that it wants
    /// something. Its clients close now: the map that it leaves drops it some time later.
    pub(super) fn try_forget(&self) -> bool {
        let forgotten = self.believed_mb.load(Ordering::Relaxed) == 0
            && self.calls.compare_exchange(0, FORGOTTEN, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if forgotten {
            self.members.store(Arc::default());
        }
        forgotten
    }

    /// Waits until capacity may have appeared: a call ended, or the pool is no longer `seen`.
    pub(crate) async fn capacity(&self, seen: &Arc<Members>) {
        let _counted = Waiting::count(&self.waiting);
        let woken = self.capacity.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if !Arc::ptr_eq(&self.members.load(), seen) {
            return;
        }
        woken.await;
    }
}

/// Counts one waiting call, until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn count(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
