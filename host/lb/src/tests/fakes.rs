//! Fakes of the ports.

use crate::{LoadBalancer, Naive, Options, Ports};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use remuda_core::port::{Connector, DemandSink, Executor, Membership, Offer, Outcome};
use remuda_core::{
    Answer, App, AppId, Body, Call, CallId, Config, Fault, FnId, Function, GroupDemand, GroupId, Kind, LbId,
    MemoryMb, Mode, RunnerAddress, Target, Timestamp,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

type Behaviour = dyn Fn(Offer) -> BoxFuture<'static, Result<Outcome, Fault>> + Send + Sync;

/// A runner that does what a test says.
pub(crate) struct FakeRunner {
    behaviour: Mutex<Arc<Behaviour>>,
    pub(crate) offers: AtomicUsize,
    pub(crate) clients: AtomicUsize,
    pub(crate) opened: AtomicUsize,
}

impl FakeRunner {
    pub(crate) fn set<F>(&self, behaviour: impl Fn(Offer) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Outcome, Fault>> + Send + 'static,
    {
        *self.behaviour.lock().unwrap() = Arc::new(move |offer| Box::pin(behaviour(offer)));
    }
    pub(crate) fn is_busy(&self) {
        self.set(async |_| Ok(Outcome::Busy));
    }
    pub(crate) fn is_away(&self) {
        self.set(async |_| Ok(Outcome::NeverArrived(Fault::service(Kind::Unavailable, "no route"))));
    }
    /// Answers with the bytes of the request after reading all of them.
    pub(crate) fn echoes(&self) {
        self.set(async |offer: Offer| {
            let body = offer.body.collect().await?.to_bytes();
            Ok(Outcome::Answered(answer(remuda_core::call::full(body))))
        });
    }
    pub(crate) fn hangs(&self) {
        self.set(async |_| std::future::pending().await);
    }
    pub(crate) fn offers(&self) -> usize {
        self.offers.load(Ordering::SeqCst)
    }
}

pub(crate) fn answer(body: Body) -> Answer {
    Answer { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body }
}

/// A client of a fake runner; counts those that are open.
struct Client(Arc<FakeRunner>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Executor for Client {
    async fn execute(&self, offer: Offer) -> Result<Outcome, Fault> {
        self.0.offers.fetch_add(1, Ordering::SeqCst);
        let behaviour = Arc::clone(&self.0.behaviour.lock().unwrap());
        behaviour(offer).await
    }
}

/// Runners by their addresses; those that a test did not name echo.
#[derive(Default)]
pub(crate) struct Fleet(Mutex<HashMap<RunnerAddress, Arc<FakeRunner>>>);

impl Fleet {
    pub(crate) fn runner(&self, name: &str) -> Arc<FakeRunner> {
        let mut runners = self.0.lock().unwrap();
        let runner = runners.entry(address(name)).or_insert_with(|| {
            let runner = FakeRunner {
                behaviour: Mutex::new(Arc::new(|_| Box::pin(async { Ok(Outcome::Busy) }))),
                offers: AtomicUsize::new(0),
                clients: AtomicUsize::new(0),
                opened: AtomicUsize::new(0),
            };
            runner.echoes();
            Arc::new(runner)
        });
        Arc::clone(runner)
    }
}

impl Connector for Fleet {
    fn connect(&self, address: &RunnerAddress) -> Arc<dyn Executor> {
        let runner = self.runner(address.host());
        runner.clients.fetch_add(1, Ordering::SeqCst);
        runner.opened.fetch_add(1, Ordering::SeqCst);
        Arc::new(Client(runner))
    }
}

#[derive(Clone)]
pub(crate) enum Says {
    Members(Vec<RunnerAddress>),
    Fails(Fault),
    Nothing,
    Late(Duration, Vec<RunnerAddress>),
}

/// A manager's memberships, as a test sets them.
#[derive(Default)]
pub(crate) struct FakeMembership {
    says: Mutex<HashMap<GroupId, Says>>,
    pub(crate) asked: AtomicUsize,
}

impl FakeMembership {
    pub(crate) fn says(&self, group: &str, says: Says) {
        self.says.lock().unwrap().insert(GroupId::new(group), says);
    }
    pub(crate) fn lists(&self, group: &str, runners: &[&str]) {
        self.says(group, Says::Members(runners.iter().map(|name| address(name)).collect()));
    }
    pub(crate) fn fails(&self, group: &str) {
        self.says(group, Says::Fails(Fault::service(Kind::Unavailable, "manager away")));
    }
}

#[async_trait]
impl Membership for FakeMembership {
    async fn members(&self, group: &GroupId) -> Result<Vec<RunnerAddress>, Fault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let says = self.says.lock().unwrap().get(group).cloned();
        match says {
            Some(Says::Members(members)) => Ok(members),
            Some(Says::Fails(fault)) => Err(fault),
            Some(Says::Nothing) => std::future::pending().await,
            Some(Says::Late(delay, members)) => {
                tokio::time::sleep(delay).await;
                Ok(members)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// Keeps what it is told.
pub(crate) struct FakeSink {
    pub(crate) messages: watch::Sender<Vec<Vec<GroupDemand>>>,
    pub(crate) fails: Mutex<bool>,
}

impl FakeSink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { messages: watch::Sender::new(Vec::new()), fails: Mutex::new(false) })
    }
    /// The next message after those that there are.
    pub(crate) async fn next(&self) -> Vec<(String, u64)> {
        let mut messages = self.messages.subscribe();
        let seen = messages.borrow().len();
        let all = messages.wait_for(|messages| messages.len() > seen).await.unwrap();
        all[seen].iter().map(|demand| (demand.group.to_string(), demand.memory.0)).collect()
    }
}

#[async_trait]
impl DemandSink for FakeSink {
    async fn advertise(&self, _lb: &LbId, demand: Vec<GroupDemand>) -> Result<(), Fault> {
        self.messages.send_modify(|messages| messages.push(demand));
        if *self.fails.lock().unwrap() {
            return Err(Fault::service(Kind::Unavailable, "manager away"));
        }
        Ok(())
    }
}

/// A balancer between fakes, running.
pub(crate) struct Room {
    pub(crate) lb: LoadBalancer,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) membership: Arc<FakeMembership>,
    pub(crate) sink: Arc<FakeSink>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: tokio::task::JoinHandle<()>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }
    pub(crate) fn with(options: Options) -> Self {
        let (fleet, membership, sink) =
            (Arc::<Fleet>::default(), Arc::<FakeMembership>::default(), FakeSink::new());
        let ports = Ports {
            connector: fleet.clone(),
            membership: membership.clone(),
            demand: Some(sink.clone()),
            placement: Arc::new(Naive::new()),
        };
        let lb = LoadBalancer::new(LbId::new("lb"), options, ports);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn({
            let (lb, shutdown) = (lb.clone(), shutdown.clone());
            async move { lb.run(shutdown).await }
        });
        Self { lb, fleet, membership, sink, shutdown, running }
    }
    /// A balancer whose group `g` has these runners.
    pub(crate) fn of(runners: &[&str]) -> Self {
        let room = Self::new();
        room.membership.lists("g", runners);
        room
    }
    pub(crate) async fn call(&self, group: &str) -> Result<Answer, Fault> {
        self.call_with(group, remuda_core::call::full("hello")).await
    }
    pub(crate) async fn call_with(&self, group: &str, body: Body) -> Result<Answer, Fault> {
        self.lb.invoker().invoke(call(group, Mode::Sync), body).await
    }
    /// Calls in the background.
    pub(crate) fn spawn(&self, group: &str) -> tokio::task::JoinHandle<Result<Answer, Fault>> {
        let (invoker, call) = (self.lb.invoker(), call(group, Mode::Sync));
        tokio::spawn(async move { invoker.invoke(call, remuda_core::call::full("hello")).await })
    }
}

pub(crate) async fn text(answer: Answer) -> String {
    String::from_utf8(answer.body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) fn address(name: &str) -> RunnerAddress {
    RunnerAddress::parse(&format!("{name}:9190")).unwrap()
}

/// A runner that holds calls until it is told to answer.
pub(crate) fn holds(runner: &FakeRunner) -> Arc<Notify> {
    let go = Arc::new(Notify::new());
    let held = Arc::clone(&go);
    runner.set(move |_| {
        let held = Arc::clone(&held);
        async move {
            held.notified().await;
            Ok(Outcome::Answered(answer(remuda_core::call::full("held"))))
        }
    });
    go
}

/// A call of 128 MB for a function of the group.
pub(crate) fn call(group: &str, mode: Mode) -> Arc<Call> {
    let now = Timestamp::from_unix_ms(0);
    let app = App {
        id: AppId::new("app"),
        name: "app".into(),
        config: Config::from([("FN_LB_GROUP_ID".into(), group.into())]),
        annotations: Default::default(),
        syslog_url: String::new(),
        shape: String::new(),
        created_at: now,
        updated_at: now,
    };
    let function = Function {
        id: FnId::new("fn"),
        name: "fn".into(),
        app_id: app.id.clone(),
        image: "image".into(),
        memory: MemoryMb(128),
        timeout_s: 30,
        idle_timeout_s: 30,
        config: Config::new(),
        annotations: Default::default(),
        shape: String::new(),
        created_at: now,
        updated_at: now,
    };
    Arc::new(Call {
        id: CallId::new("call"),
        target: Arc::new(Target::new(&app, &function)),
        trigger_id: None,
        mode,
        method: http::Method::POST,
        url: "http://lb/invoke/fn".into(),
        headers: http::HeaderMap::new(),
        created_at: now,
    })
}

/// Lets everything run that can run, and then some time pass.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}
