//! One group's task: lists, plans, carries out, and never waits for one of these while another is due.

use crate::Options;
use crate::clock::Clock;
use crate::group::Group;
use crate::machine::demand::History;
use crate::machine::plan::{Plan, plan};
use crate::machine::pool::Pool;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use remuda_core::port::ControlPlane;
use remuda_core::{Fault, Kind, MemoryMb, Moment, PoolRunner};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the control plane answered.
enum Done {
    Listed(Result<Vec<PoolRunner>, Fault>),
    Provisioned(u32, Result<u32, Fault>),
    Removed(String, Result<(), Fault>),
}

/// See the module. Everything here is the task's own; others see [`Group`].
pub(crate) struct Driver {
    group: Arc<Group>,
    control_plane: Arc<dyn ControlPlane>,
    options: Arc<Options>,
    clock: Clock,
    pool: Pool,
    history: History,
    /// Requests to the control plane under way: one listing, one provisioning, and one removal a runner at most.
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// When to list next; `None` while a listing is under way.
    next_listing: Option<Moment>,
    last_listing: Moment,
    /// Whether the last listing was answered: plans are made on nothing older.
    trusted: bool,
    /// Whether a failure was told that is not over yet.
    listing_failed: bool,
}

impl Driver {
    pub(crate) fn new(
        group: Arc<Group>,
        control_plane: Arc<dyn ControlPlane>,
        options: Arc<Options>,
        clock: Clock,
    ) -> Self {
        let now = clock.now();
        Self {
            group,
            control_plane,
            options,
            clock,
            pool: Pool::default(),
            history: History::new(now),
            work: FuturesUnordered::new(),
            next_listing: Some(now),
            last_listing: now,
            trusted: false,
            listing_failed: false,
        }
    }

    /// Drives the group until `shutdown`, or until nobody has mentioned it for long.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let now = self.clock.now();
            if self.next_listing.is_some_and(|due| now >= due) {
                if self.is_forgettable(now) {
                    tracing::info!(group.id = %self.group.id(), "group that nobody mentions forgotten");
                    return;
                }
                self.list();
            }
            self.decide(now);
            // Drains and holds run out between listings; a look a second is as fine as their limits are.
            let wake = self.next_listing.unwrap_or(now.after(self.options.poll_interval));
            let wake = self.clock.instant(wake);
            let group = Arc::clone(&self.group);
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(done) = self.work.next(), if !self.work.is_empty() => self.take(done),
                () = group.grew() => self.list_soon(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn is_forgettable(&self, now: Moment) -> bool {
        self.group.unmentioned_for(now) >= self.options.group_idle
            && self.group.wanted(now) == MemoryMb(0)
            && self.pool.can_be_forgotten()
            && self.work.is_empty()
    }

    fn is_active(&self, now: Moment) -> bool {
        self.group.wanted(now) > MemoryMb(0) || !self.pool.can_be_forgotten()
    }

    /// More is wanted: a slowly polled group is listed at once.
    fn list_soon(&mut self) {
        let soon = self.last_listing.after(self.options.poll_interval);
        self.next_listing = self.next_listing.map(|due| due.min(soon));
    }

    fn list(&mut self) {
        self.next_listing = None;
        let (control_plane, group) = (Arc::clone(&self.control_plane), Arc::clone(&self.group));
        let limit = self.options.control_plane_limit;
        self.work.push(Box::pin(async move {
            Done::Listed(limited(limit, control_plane.runners(group.id())).await)
        }));
    }

    /// Plans on what is known now, and begins what was planned.
    fn decide(&mut self, now: Moment) {
        let limits = &self.options.limits;
        self.history.record(now, self.group.wanted(now), limits.settle);
        let lost = self.pool.expire(now, limits);
        if lost > 0 {
            tracing::warn!(group.id = %self.group.id(), lost, "runners that were asked for did not come in time");
        }
        if !self.trusted {
            return;
        }
        let plan = plan(&self.history, &self.pool, now, limits);
        if plan.is_empty() {
            return;
        }
        self.pool.begin(&plan, now, limits);
        self.group.publish(self.pool.members());
        self.announce(&plan);
        self.carry_out(plan);
    }

    /// A plan is news, but the repetition of a request that came to nothing is not.
    fn announce(&self, plan: &Plan) {
        let Plan { provision, reactivate, drain, remove } = plan;
        let wanted_mb = self.history.current().0;
        let active_mb = self.pool.active_capacity(&self.options.limits).0;
        let repeats =
            self.pool.failures() > 0 && reactivate.is_empty() && drain.is_empty() && remove.is_empty();
        if repeats {
            tracing::debug!(group.id = %self.group.id(), provision, wanted_mb, active_mb, "pool planned again");
        } else {
            tracing::info!(
                group.id = %self.group.id(), provision, ?reactivate, ?drain, ?remove, wanted_mb, active_mb, "pool planned"
            );
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        let limit = self.options.control_plane_limit;
        if plan.provision > 0 {
            let (control_plane, group) = (Arc::clone(&self.control_plane), Arc::clone(&self.group));
            self.work.push(Box::pin(async move {
                let asked = control_plane.provision(group.id(), plan.provision);
                Done::Provisioned(plan.provision, limited(limit, asked).await)
            }));
        }
        for runner in plan.remove {
            let (control_plane, group) = (Arc::clone(&self.control_plane), Arc::clone(&self.group));
            self.work.push(Box::pin(async move {
                let removed = limited(limit, control_plane.remove(group.id(), &runner)).await;
                Done::Removed(runner, removed)
            }));
        }
    }

    fn take(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Listed(listing) => {
                self.take_listing(listing);
                let interval = match self.is_active(now) {
                    true => self.options.poll_interval,
                    false => self.options.idle_poll_interval,
                };
                self.last_listing = now;
                self.next_listing = Some(now.after(interval));
            }
            Done::Provisioned(asked, begun) => self.take_provisioned(now, asked, begun),
            Done::Removed(runner, Ok(())) => {
                tracing::info!(group.id = %self.group.id(), runner.id = %runner, "the control plane removes the runner");
            }
            Done::Removed(runner, Err(fault)) => {
                let error = fault.chain();
                tracing::warn!(group.id = %self.group.id(), runner.id = %runner, error, "runner could not be removed yet");
            }
        }
    }

    fn take_listing(&mut self, listing: Result<Vec<PoolRunner>, Fault>) {
        match listing {
            Ok(runners) => {
                let change = self.pool.listed(runners);
                let recovered = std::mem::take(&mut self.listing_failed);
                if change.came + change.went > 0 || recovered {
                    let (came, went, runners) = (change.came, change.went, self.pool.runners().len());
                    tracing::info!(group.id = %self.group.id(), came, went, runners, "pool changed");
                }
                self.trusted = true;
                self.group.publish(self.pool.members());
            }
            Err(fault) => {
                self.trusted = false;
                if !std::mem::replace(&mut self.listing_failed, true) {
                    let error = fault.chain();
                    tracing::warn!(group.id = %self.group.id(), error, "runners could not be listed, the last known ones stay");
                }
                self.group.publish_failure(fault);
            }
        }
    }

    fn take_provisioned(&mut self, now: Moment, asked: u32, begun: Result<u32, Fault>) {
        let before = self.pool.failures();
        let (count, error) = match begun {
            Ok(count) => (count, String::new()),
            Err(fault) => (0, fault.chain()),
        };
        self.pool.provisioned(now, count, &self.options.limits);
        if count > 0 {
            tracing::info!(group.id = %self.group.id(), asked, begun = count, "runners are coming");
        } else if before == 0 && self.pool.runners().iter().any(|runner| runner.listed.fixed) {
            // Pools of fixed runners do not grow: nothing is wrong.
            tracing::info!(group.id = %self.group.id(), asked, error, "the pool is fixed and smaller than what is wanted");
        } else if before == 0 {
            tracing::warn!(group.id = %self.group.id(), asked, error, "the control plane begins no runner, asking more rarely");
        } else {
            tracing::debug!(group.id = %self.group.id(), asked, error, "the control plane still begins no runner");
        }
    }
}

async fn limited<T>(limit: Duration, request: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = || Fault::service(Kind::Unavailable, "The control plane did not answer in time");
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| Err(late()))
}
