//! Carries out what the machine decides, and is the executor that calls are offered to.

use crate::lease::{Lease, LeasedBody};
use crate::machine::{Action, CallNo, Event, InstanceNo, Machine, Rules};
use crate::status::Counters;
use crate::{Options, Status};
use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use remuda_core::port::{
    CallFault, Engine, Executor, FunctionRequest, Instance, InstanceSpec, Offer, Outcome,
};
use remuda_core::target::SlotKey;
use remuda_core::{
    Answer, Call, Fault, GroupId, IdSource, Kind, MemoryMb, Mode, Moment, Target, Timestamp, call,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What an instance reserves at the least: engines give a container no less than 6 MB, and it costs the host more.
const LEAST_INSTANCE: MemoryMb = MemoryMb(16);
/// How many instances that turn out to have ended a call passes over.
const DEAD_INSTANCES: usize = 8;
/// A call that has not ended this long after its deadline is not read by its caller: the engine tells the function's
/// side in time, but the answer's rest is only noticed by whoever reads it.
const OVERDUE: Duration = Duration::from_secs(5);

/// Runs calls in containers of an engine. Cheap to share behind an `Arc`.
pub struct Runner {
    shared: Arc<Shared>,
}

/// What tells a waiting call how it goes on.
enum Verdict {
    Assigned(Lease),
    Busy,
    Failed(Fault),
}

struct Waiting {
    verdict: oneshot::Sender<Verdict>,
    /// What the call may take once it has an instance.
    timeout: Duration,
}

pub(crate) struct Shared {
    options: Options,
    engine: Arc<dyn Engine>,
    ids: Arc<IdSource>,
    began: Instant,
    state: Mutex<Inner>,
    /// Told whenever a call has ended.
    ended: Notify,
    tasks: TaskTracker,
    /// Cancels starts that are under way when the runner closes.
    closing: CancellationToken,
    pub(crate) counters: Counters,
    /// When a refusal was last warned about, in milliseconds of our clock; 0 = never.
    last_refusal: AtomicU64,
}

struct Inner {
    machine: Machine,
    next_call: u64,
    waiting: HashMap<CallNo, Waiting>,
    targets: HashMap<SlotKey, Arc<Target>>,
    instances: HashMap<InstanceNo, Arc<dyn Instance>>,
    /// When each busy instance must have given its call back.
    due: HashMap<InstanceNo, Instant>,
    /// The fault of a failed start, from its report until the action that names it.
    start_fault: Option<Fault>,
}

impl Inner {
    /// Keeps a key's target for later starts, and drops those of keys that are gone, now and then.
    fn remember(&mut self, key: SlotKey, target: &Arc<Target>) {
        if self.targets.contains_key(&key) {
            return;
        }
        if self.targets.len() >= 64 + 2 * self.machine.queue_count() {
            let machine = &self.machine;
            self.targets.retain(|key, _| machine.knows(key));
        }
        self.targets.insert(key, target.clone());
    }
}

impl Runner {
    /// A runner without containers. Call [`Runner::run`] to give it its clock.
    pub fn new(options: Options, engine: Arc<dyn Engine>, ids: Arc<IdSource>) -> Arc<Self> {
        let rules = Rules {
            total: options.total_memory,
            refuse_when_full: options.refuse_when_full,
            max_waiting: options.max_waiting,
        };
        let inner = Inner {
            machine: Machine::new(rules),
            next_call: 0,
            waiting: HashMap::new(),
            targets: HashMap::new(),
            instances: HashMap::new(),
            due: HashMap::new(),
            start_fault: None,
        };
        Arc::new(Self {
            shared: Arc::new(Shared {
                options,
                engine,
                ids,
                began: Instant::now(),
                state: Mutex::new(inner),
                ended: Notify::new(),
                tasks: TaskTracker::new(),
                closing: CancellationToken::new(),
                counters: Counters::default(),
                last_refusal: AtomicU64::new(0),
            }),
        })
    }

    /// What the runner says of itself.
    pub fn status(&self) -> Status {
        self.shared.counters.read()
    }

    /// Removes idle instances whose time is over, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let shared = &self.shared;
        // Idle times are whole seconds: looking four times a second spares every call the waking of this task.
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = shared.now();
            if shared.inner().machine.next_wake().is_some_and(|at| at <= now) {
                shared.report(Event::Ticked);
            }
            shared.end_overdue();
        }
    }

    /// Refuses new calls, lets those in hand end within `grace`, and removes every container.
    pub async fn close(&self, grace: Duration) {
        let shared = &self.shared;
        shared.report(Event::DrainBegan);
        let until = Instant::now() + grace;
        loop {
            let ended = shared.ended.notified();
            let mut ended = std::pin::pin!(ended);
            // Registered before the count is read, so that no end is missed.
            ended.as_mut().enable();
            if shared.counters.read().active <= 0 {
                break;
            }
            tokio::select! {
                () = ended => {}
                () = tokio::time::sleep_until(until) => break,
            }
        }
        shared.closing.cancel();
        let left: Vec<_> = shared.inner().instances.drain().map(|(_, instance)| instance).collect();
        futures_util::future::join_all(left.iter().map(|instance| instance.remove())).await;
        shared.tasks.close();
        // The engine's own deadlines bound this; the extra bound is for a hung engine.
        let _ = tokio::time::timeout(Duration::from_secs(30), shared.tasks.wait()).await;
    }
}

#[async_trait]
impl Executor for Runner {
    async fn execute(&self, offer: Offer) -> Result<Outcome, Fault> {
        let target = &offer.call.target;
        if let Some(own) = self.shared.options.group.as_ref().filter(|own| **own != target.group) {
            self.shared.say_refused(&offer.call, own);
            return Ok(Outcome::Busy);
        }
        if target.memory > self.shared.options.total_memory {
            return Err(Fault::service(Kind::CannotAllocate, "Requested CPU/Memory cannot be allocated"));
        }
        let lease = match self.shared.live_lease(&offer.call.target).await {
            Verdict::Assigned(lease) => lease,
            Verdict::Busy => return Ok(Outcome::Busy),
            // The engine could not (it is away, the image has just vanished): nothing of the call was started here,
            // and another runner may do better.
            Verdict::Failed(fault) if fault.kind == Kind::Unavailable => {
                tracing::warn!(call.id = %offer.call.id, error = %fault.chain(), "cannot start containers");
                return Ok(Outcome::NeverArrived(fault));
            }
            Verdict::Failed(fault) => return Err(fault),
        };
        self.shared.counters.handled();
        offer.taken.signal();
        match offer.call.mode {
            Mode::Sync => run_call(offer, lease).await.map(Outcome::Answered),
            Mode::Detached => {
                // Taken first: a balancer sends the rest of a large body only then.
                let offer = match self.shared.collect_body(offer).await {
                    Ok(offer) => offer,
                    Err(fault) => {
                        lease.finish(true);
                        return Err(fault);
                    }
                };
                self.shared.tasks.spawn(run_detached(offer, lease));
                Ok(Outcome::Answered(Answer::accepted()))
            }
        }
    }
}

/// The call on its instance. The function's time runs from now.
async fn run_call(offer: Offer, lease: Lease) -> Result<Answer, Fault> {
    let deadline = SystemTime::now() + offer.call.target.timeout;
    let instance = lease.instance().clone();
    match instance.call(FunctionRequest { call: offer.call, body: offer.body, deadline }).await {
        Ok(answer) => Ok(Answer { body: LeasedBody::wrap(answer.body, lease), ..answer }),
        Err(CallFault { fault, fatal }) => {
            lease.finish(!fatal);
            Err(fault)
        }
    }
}

/// A call nobody waits for: its answer is read to the end, so that the instance can be used again, and forgotten.
async fn run_detached(offer: Offer, lease: Lease) {
    let id = offer.call.id.clone();
    let ended = match run_call(offer, lease).await {
        Ok(mut answer) => loop {
            match answer.body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(fault)) => break Err(fault),
                None => break Ok(()),
            }
        },
        Err(fault) => Err(fault),
    };
    if let Err(fault) = ended {
        tracing::debug!(call.id = %id, error = %fault.chain(), "detached call failed");
    }
}

impl Shared {
    fn now(&self) -> Moment {
        Moment::from_ms(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// A balancer that is wrong about this runner offers every call again and again: one warning in ten seconds does.
    fn say_refused(&self, call: &Call, own: &GroupId) {
        let now = self.now().as_ms();
        let last = self.last_refusal.load(Ordering::Relaxed);
        if last != 0 && now < last + 10_000 {
            return;
        }
        self.last_refusal.store(now.max(1), Ordering::Relaxed);
        tracing::warn!(
            call.id = %call.id, group.id = %call.target.group, runner.group = %own,
            "refused a call of another group"
        );
    }

    /// A poisoned lock means that a thread panicked between two consistent states of plain data.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A detached call's body must be here before its caller is told that it runs.
    async fn collect_body(&self, offer: Offer) -> Result<Offer, Fault> {
        let limit = self.options.max_detached_body;
        let collected = Limited::new(offer.body, limit).collect();
        let bytes = match tokio::time::timeout(offer.call.target.timeout, collected).await {
            Err(_) => return Err(Fault::user(Kind::Timeout, "Timed out")),
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => {
                return Err(match error.downcast::<Fault>() {
                    Ok(fault) => *fault,
                    Err(_) => Fault::user(
                        Kind::TooLarge,
                        format!("the body of a detached call may have at most {limit} bytes"),
                    ),
                });
            }
        };
        Ok(Offer { body: call::full(bytes), ..offer })
    }

    /// An instance whose function listens. One that has ended since its last call is passed over, before anything of
    /// this call is sent.
    async fn live_lease(self: &Arc<Self>, target: &Arc<Target>) -> Verdict {
        for _ in 0..DEAD_INSTANCES {
            match self.lease(target).await {
                Verdict::Assigned(lease) if !lease.instance().listens().await => lease.finish(false),
                verdict => return verdict,
            }
        }
        Verdict::Busy
    }

    /// An instance for one call. Dropping the future while it waits gives the place up.
    async fn lease(self: &Arc<Self>, target: &Arc<Target>) -> Verdict {
        let (verdict, receiver) = oneshot::channel();
        let active = Active::new(self.clone());
        let call = {
            let mut inner = self.inner();
            let call = CallNo(inner.next_call);
            inner.next_call += 1;
            let key = target.slot_key();
            inner.waiting.insert(call, Waiting { verdict, timeout: target.timeout });
            inner.remember(key, target);
            let memory = target.memory.max(LEAST_INSTANCE);
            let event = Event::Arrived { call, key, memory, idle_timeout: target.idle_timeout };
            self.handle(&mut inner, event);
            call
        };
        let place = Place { shared: self, call };
        let mut verdict = receiver.await.unwrap_or(Verdict::Busy);
        std::mem::forget(place);
        if let Verdict::Assigned(lease) = &mut verdict {
            lease.active = Some(active);
        }
        verdict
    }

    /// Tells the machine what happened and begins what it asks for. Never blocks for long, never awaits.
    pub(crate) fn report(self: &Arc<Self>, event: Event) {
        self.handle(&mut self.inner(), event);
    }

    /// Takes instances back whose calls should have ended: whoever reads the answer may be as slow as it likes, the
    /// instance and its memory are not its own for longer.
    fn end_overdue(self: &Arc<Self>) {
        let now = Instant::now();
        let mut inner = self.inner();
        let overdue: Vec<_> = inner.due.iter().filter(|(_, at)| **at <= now).map(|(no, _)| *no).collect();
        for no in overdue {
            tracing::warn!(instance = no.0, "an answer was not read to its end in time");
            self.handle(&mut inner, Event::Finished { instance: no, reusable: false });
        }
    }

    fn handle(self: &Arc<Self>, inner: &mut Inner, event: Event) {
        if let Event::Finished { instance, .. } = &event {
            inner.due.remove(instance);
        }
        let mut actions = Vec::new();
        inner.machine.handle(self.now(), event, &mut actions);
        for action in actions {
            self.begin(inner, action);
        }
    }

    fn begin(self: &Arc<Self>, inner: &mut Inner, action: Action) {
        match action {
            Action::Start { instance, key } => match inner.targets.get(&key) {
                Some(target) => {
                    self.tasks.spawn(self.clone().start(instance, target.clone()));
                }
                None => {
                    // Cannot be: a key is in use only by calls that brought its target.
                    tracing::error!(?key, "no target for an instance to start");
                    let shared = self.clone();
                    self.tasks.spawn(async move { shared.report(Event::StartFailed(instance)) });
                }
            },
            Action::Assign { call, instance } => self.assign(inner, call, instance),
            Action::Refuse(call) => tell(inner, call, Verdict::Busy),
            Action::Fail { call, .. } => {
                let fault = inner.start_fault.clone();
                tell(inner, call, Verdict::Failed(fault.unwrap_or_else(Fault::busy)));
            }
            Action::Remove(no) => {
                let instance = inner.instances.remove(&no);
                let shared = self.clone();
                self.tasks.spawn(async move {
                    if let Some(instance) = instance {
                        instance.remove().await;
                    }
                    shared.report(Event::Removed(no));
                });
            }
        }
    }

    fn assign(self: &Arc<Self>, inner: &mut Inner, call: CallNo, no: InstanceNo) {
        let Some(instance) = inner.instances.get(&no).cloned() else {
            // Cannot be: an instance is registered before the machine hears that it listens.
            tracing::error!(instance = no.0, "assigned an instance that is not there");
            return tell(inner, call, Verdict::Busy);
        };
        let Some(waiting) = inner.waiting.remove(&call) else {
            // Cannot be: a call that leaves tells the machine under the same lock.
            tracing::error!(call = call.0, "assigned a call that does not wait");
            let shared = self.clone();
            self.tasks.spawn(async move { shared.report(Event::Finished { instance: no, reusable: true }) });
            return;
        };
        inner.due.insert(no, Instant::now() + waiting.timeout + OVERDUE);
        // A caller that left at this moment drops the verdict, and with it the lease; that must not happen under
        // the lock that the lease's return takes.
        if let Err(refused) = waiting.verdict.send(Verdict::Assigned(Lease::new(self.clone(), no, instance)))
        {
            self.tasks.spawn(async move { drop(refused) });
        }
    }

    async fn start(self: Arc<Self>, no: InstanceNo, target: Arc<Target>) {
        let id = self.ids.next(Timestamp::from(SystemTime::now()));
        let spec = InstanceSpec { id, target: target.clone(), start_timeout: self.options.start_timeout };
        let began = Instant::now();
        let started = async {
            self.engine.prepare_image(&target.image).await?;
            self.engine.start(spec).await
        };
        let started = tokio::select! {
            started = started => started,
            () = self.closing.cancelled() => Err(Fault::busy()),
        };
        let duration_ms = began.elapsed().as_millis() as u64;
        match started {
            Ok(instance) => {
                tracing::debug!(fn.id = %target.fn_id, instance = instance.id(), duration_ms, "instance started");
                let mut inner = self.inner();
                inner.instances.insert(no, instance.clone());
                self.handle(&mut inner, Event::Started(no));
                // Not before: the end of an instance that the machine does not know yet would be forgotten.
                self.tasks.spawn(self.clone().watch(no, instance));
            }
            Err(fault) => {
                tracing::debug!(fn.id = %target.fn_id, duration_ms, error = %fault.chain(), "instance did not start");
                let mut inner = self.inner();
                inner.start_fault = Some(fault);
                self.handle(&mut inner, Event::StartFailed(no));
                inner.start_fault = None;
            }
        }
    }

    /// Reports the end of an instance's process, unless the runner closes first.
    async fn watch(self: Arc<Self>, no: InstanceNo, instance: Arc<dyn Instance>) {
        tokio::select! {
            reason = instance.exited() => {
                tracing::debug!(instance = instance.id(), reason, "instance ended");
                self.report(Event::Exited(no));
            }
            () = self.closing.cancelled() => {}
        }
    }
}

fn tell(inner: &mut Inner, call: CallNo, verdict: Verdict) {
    if let Some(waiting) = inner.waiting.remove(&call) {
        // A caller that has left needs no verdict.
        let _ = waiting.verdict.send(verdict);
    }
}

/// A place in the queue: given up when dropped.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    call: CallNo,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.shared.inner();
        inner.waiting.remove(&self.call);
        self.shared.handle(&mut inner, Event::Abandoned(self.call));
    }
}

/// Counts a call as in hand for as long as it lives.
pub(crate) struct Active(Arc<Shared>);

impl Active {
    fn new(shared: Arc<Shared>) -> Self {
        shared.counters.arrived();
        Self(shared)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.counters.ended();
        self.0.ended.notify_waiters();
    }
}
