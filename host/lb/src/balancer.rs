//! The room's service and the way of one call through it.

use crate::answer::guarded;
use crate::call_guard::CallGuard;
use crate::clock::Clock;
use crate::demand::Advertiser;
use crate::machine::attempts::{Action, Attempts, Event};
use crate::machine::reach::away_last;
use crate::pools::{Group, Members, Pools, Runner};
use crate::replay::Replay;
use crate::{Options, Ports};
use async_trait::async_trait;
use remuda_core::group::{GROUP_KEY, MAX_GROUP_BYTES};
use remuda_core::port::{Invoker, Offer, Outcome, Placement};
use remuda_core::{Answer, Blame, Body, Call, Fault, GroupId, Kind, LbId, Mode, Moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Places calls. Cloning is cheap, and clones are the same balancer.
#[derive(Clone)]
pub struct LoadBalancer {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    placement: Arc<dyn Placement>,
    clock: Clock,
    pools: Arc<Pools>,
    advertiser: Option<Advertiser>,
    /// Calls that wait for capacity, over all groups.
    waiting: AtomicUsize,
}

impl LoadBalancer {
    /// A balancer that tells the manager its demand under the name `lb_id`. Nothing happens, and calls wait for
    /// their groups' members, until [`LoadBalancer::run`] runs.
    pub fn new(lb_id: LbId, options: Options, ports: Ports) -> Self {
        let clock = Clock::start();
        let placement = Arc::clone(&ports.placement);
        let sink = ports.demand.clone();
        let pools = Arc::new(Pools::new(options.clone(), ports, clock));
        let advertiser = sink.map(|sink| Advertiser::new(lb_id, sink, options.clone(), clock));
        let inner = Inner { options, placement, clock, pools, advertiser, waiting: AtomicUsize::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Where calls come in.
    pub fn invoker(&self) -> Arc<dyn Invoker> {
        Arc::clone(&self.inner) as Arc<dyn Invoker>
    }

    /// Keeps memberships fresh and tells what calls want, until `shutdown`. Calls under way, and their answers, go on
    /// afterwards with the runners that are known.
    pub async fn run(&self, shutdown: CancellationToken) {
        let demand = async {
            if let Some(advertiser) = &self.inner.advertiser {
                advertiser.run(&self.inner.pools, &shutdown).await;
            }
        };
        tokio::join!(self.inner.pools.run(&shutdown), demand);
    }

    /// True once anybody has said who a group's runners are. A static membership says so at once; with a manager, it
    /// becomes true when the manager first answers, and stays true when it goes away.
    pub fn is_ready(&self) -> bool {
        self.inner.pools.is_ready()
    }
}

#[async_trait]
impl Invoker for Inner {
    async fn invoke(&self, call: Arc<Call>, body: Body) -> Result<Answer, Fault> {
        check_name(&call.target.group)?;
        let now = self.clock.now();
        let (guard, risen) = CallGuard::enter(&self.pools, &call.target.group, call.target.memory, now)?;
        if risen && let Some(advertiser) = &self.advertiser {
            advertiser.hurry();
        }
        let answer = self.place(&call, body, guard.group(), now).await?;
        Ok(guarded(answer, guard))
    }
}

/// How one offer ended.
enum Offered {
    Moved(Event),
    Ended(Result<Answer, Fault>),
}

impl Inner {
    async fn place(
        &self,
        call: &Arc<Call>,
        body: Body,
        group: &Arc<Group>,
        begun: Moment,
    ) -> Result<Answer, Fault> {
        let patience = match call.mode {
            Mode::Sync => self.options.placer_timeout,
            Mode::Detached => self.options.detached_placer_timeout,
        };
        let replay = Replay::new(body, self.options.replay_limit);
        let mut attempts = Attempts::new(begun.after(patience));
        let mut members = group.members();
        let mut action = Action::Order;
        loop {
            let event = match action {
                Action::Order => {
                    members = group.members();
                    Event::Ordered(self.order(call, group, &members))
                }
                Action::Try(candidate) => {
                    // The order was checked against these members.
                    let Some(runner) = members.runners.get(candidate) else { return Err(lost_candidate()) };
                    match self.offer(call, &replay, group, runner, patience).await {
                        Offered::Moved(event) => {
                            let runner =
                                members.addresses.get(candidate).map_or("", |address| address.as_str());
                            tracing::debug!(call.id = %call.id, runner.id = runner, outcome = ?event, "call moves on");
                            event
                        }
                        Offered::Ended(end) => return end,
                    }
                }
                Action::Wait { until } => self.wait(group, &members, until).await?,
                Action::GiveUp => return Err(gave_up(group, call.mode)),
            };
            action = attempts.handle(self.clock.now(), event);
        }
    }

    fn order(&self, call: &Call, group: &Group, members: &Members) -> Vec<usize> {
        let count = members.runners.len();
        let mut order = Vec::with_capacity(count);
        if count == 0 {
            return order;
        }
        self.placement.order(&call.target.fn_id, &members.addresses, &mut order);
        // A placement may be a stranger's code.
        order.retain(|candidate| *candidate < count);
        let now = self.clock.now();
        if group.has_away(now) {
            away_last(&mut order, |candidate| members.runners[candidate].reach().is_away(now));
        }
        order
    }

    async fn offer(
        &self,
        call: &Arc<Call>,
        replay: &Replay,
        group: &Group,
        runner: &Runner,
        patience: Duration,
    ) -> Offered {
        // A runner took a call with a large body and then had no room for it. Nothing ran, but bytes are gone.
        let Some((body, taken)) = replay.attempt() else { return Offered::Ended(Err(Fault::busy())) };
        let offer = Offer { call: Arc::clone(call), body, taken };
        let limit = patience.saturating_add(call.target.timeout).saturating_add(self.options.answer_slack);
        let outcome = tokio::select! {
            biased;
            outcome = tokio::time::timeout(limit, runner.executor.execute(offer)) => match outcome {
                Ok(outcome) => outcome,
                Err(_) => Err(Fault::service(Kind::RunnerLost, "The runner did not answer in time")),
            },
            fault = replay.failed() => Err(fault),
        };
        // What the caller's bytes ended with says more than what the runner made of it.
        if let Some(fault) = replay.fault() {
            return Offered::Ended(Err(fault));
        }
        match outcome {
            Ok(Outcome::Answered(answer)) => {
                runner.reached();
                replay.release();
                Offered::Ended(Ok(answer))
            }
            Ok(Outcome::Busy) => {
                runner.reached();
                Offered::Moved(Event::Busy)
            }
            Ok(Outcome::NeverArrived(fault)) => {
                group.note_away(runner.failed(self.clock.now()).until());
                tracing::debug!(call.id = %call.id, error = %fault.chain(), "runner not reached");
                Offered::Moved(Event::NeverArrived)
            }
            Err(fault) => Offered::Ended(Err(fault)),
        }
    }

    async fn wait(&self, group: &Group, members: &Arc<Members>, until: Moment) -> Result<Event, Fault> {
        if members.runners.is_empty()
            && let Some(fault) = refused(group)
        {
            return Err(fault);
        }
        let _place = WaitingPlace::take(&self.waiting, self.options.max_waiting)?;
        match tokio::time::timeout_at(self.clock.instant(until), group.capacity(members)).await {
            Ok(()) => Ok(Event::Woken),
            Err(_) => Ok(Event::Tick),
        }
    }
}

/// Why the group's members are refused to us, when it is the caller's doing: waiting does not help then.
fn refused(group: &Group) -> Option<Fault> {
    group.trouble().filter(|fault| fault.blame == Blame::User)
}

/// Refuses a name that no manager takes, before anything is kept under it.
fn check_name(group: &GroupId) -> Result<(), Fault> {
    if group.as_str().len() > MAX_GROUP_BYTES {
        return Err(Fault::invalid(format!("{GROUP_KEY} is longer than {MAX_GROUP_BYTES} bytes")));
    }
    Ok(())
}

/// What a call is told that found no runner in time: why nobody knows any runner, or that nobody had room.
fn gave_up(group: &Group, mode: Mode) -> Fault {
    let trouble = if group.members().runners.is_empty() { group.trouble() } else { None };
    trouble.unwrap_or_else(|| match mode {
        Mode::Sync => Fault::busy(),
        // Fn's words and status.
        Mode::Detached => {
            Fault::service(Kind::Foreign(500), "Unable to service the request for the reservation period")
        }
    })
}

fn lost_candidate() -> Fault {
    Fault::internal("an ordered candidate is not in the pool")
}

/// One of the places for calls that wait; given back when dropped.
struct WaitingPlace<'a>(&'a AtomicUsize);

impl<'a> WaitingPlace<'a> {
    fn take(counter: &'a AtomicUsize, most: usize) -> Result<Self, Fault> {
        let place = Self(counter);
        if counter.fetch_add(1, Ordering::Relaxed) >= most { Err(Fault::busy()) } else { Ok(place) }
    }
}

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
