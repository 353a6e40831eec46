//! The runner against an engine made for the test.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use async_trait::async_trait;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use remuda_core::port::{
    CallFault, Engine, Executor, FunctionRequest, Instance, InstanceSpec, Offer, Outcome, Taken,
};
use remuda_core::{
    Answer, AppId, Call, CallId, Config, Fault, FnId, GroupId, IdSource, Kind, MemoryMb, Mode, Target,
    Timestamp, call,
};
use remuda_runner::{Options, Runner};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Containers that exist only as counters. Calls to a function wait for permits of `gate` where it is set.
#[derive(Default)]
struct Bench {
    started: AtomicUsize,
    removed: Arc<AtomicUsize>,
    start_fault: Mutex<Option<Fault>>,
    gate: Option<Arc<Semaphore>>,
    waiting: Arc<Notify>,
    fatal: bool,
    /// Functions end after their first call.
    one_call_each: bool,
}

struct Desk {
    id: String,
    removed: Arc<AtomicUsize>,
    gone: Notify,
    gate: Option<Arc<Semaphore>>,
    waiting: Arc<Notify>,
    fatal: bool,
    one_call_each: bool,
    dead: AtomicBool,
}

#[async_trait]
impl Engine for Bench {
    async fn prepare_image(&self, _image: &str) -> Result<(), Fault> {
        Ok(())
    }
    async fn start(&self, spec: InstanceSpec) -> Result<Arc<dyn Instance>, Fault> {
        if let Some(fault) = self.start_fault.lock().unwrap().take() {
            return Err(fault);
        }
        self.started.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Desk {
            id: spec.id,
            removed: self.removed.clone(),
            gone: Notify::new(),
            gate: self.gate.clone(),
            waiting: self.waiting.clone(),
            fatal: self.fatal,
            one_call_each: self.one_call_each,
            dead: AtomicBool::new(false),
        }))
    }
    async fn sweep(&self) -> Result<u32, Fault> {
        Ok(0)
    }
}

#[async_trait]
impl Instance for Desk {
    fn id(&self) -> &str {
        &self.id
    }
    async fn listens(&self) -> bool {
        !self.dead.load(Ordering::SeqCst)
    }
    async fn call(&self, request: FunctionRequest) -> Result<Answer, CallFault> {
        if let Some(gate) = &self.gate {
            self.waiting.notify_one();
            gate.acquire().await.unwrap().forget();
        }
        self.dead.store(self.one_call_each, Ordering::SeqCst);
        if self.fatal {
            return Err(CallFault {
                fault: Fault::user(Kind::FunctionFailed, "function failed"),
                fatal: true,
            });
        }
        Ok(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: request.body })
    }
    async fn exited(&self) -> String {
        self.gone.notified().await;
        "removed".into()
    }
    async fn remove(&self) {
        self.removed.fetch_add(1, Ordering::SeqCst);
        self.gone.notify_one();
    }
}

fn target(name: &str, memory: u64) -> Arc<Target> {
    Arc::new(Target {
        app_id: AppId::new("app"),
        app_name: "app".into(),
        fn_id: FnId::new(name),
        image: "image".into(),
        memory: MemoryMb(memory),
        tmpfs_mb: 0,
        milli_cpus: 0,
        timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        config: Config::new(),
        annotations: Default::default(),
        syslog_url: String::new(),
        group: GroupId::new("blue"),
    })
}

fn offer(target: &Arc<Target>, mode: Mode, body: &'static str) -> Offer {
    let call = Call {
        id: CallId::new("call"),
        target: target.clone(),
        trigger_id: None,
        mode,
        method: Method::POST,
        url: "http://here/invoke/f".into(),
        headers: HeaderMap::new(),
        created_at: Timestamp::from_unix_ms(0),
    };
    Offer { call: Arc::new(call), body: call::full(body), taken: Taken::ignored() }
}

fn runner(bench: &Arc<Bench>, options: Options) -> Arc<Runner> {
    Runner::new(options, bench.clone(), Arc::new(IdSource::new(1)))
}

fn options(total: u64) -> Options {
    Options { refuse_when_full: true, ..Options::new(MemoryMb(total)) }
}

async fn text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered(answer) => {
            String::from_utf8(answer.body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_in_a_row_share_one_hot_instance() {
    let bench = Arc::new(Bench::default());
    let runner = runner(&bench, options(1000));
    let f = target("f", 100);
    for _ in 0..3 {
        assert_eq!(text(runner.execute(offer(&f, Mode::Sync, "hi")).await.unwrap()).await, "hi");
    }
    assert_eq!(bench.started.load(Ordering::SeqCst), 1);
    assert_eq!((runner.status().active, runner.status().handled), (0, 3));
}

#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_costs_the_instance() {
    let bench = Arc::new(Bench::default());
    let runner = runner(&bench, options(1000));
    let f = target("f", 100);
    drop(runner.execute(offer(&f, Mode::Sync, "hi")).await.unwrap());
    text(runner.execute(offer(&f, Mode::Sync, "hi")).await.unwrap()).await;
    assert_eq!(bench.started.load(Ordering::SeqCst), 2);
    assert_eq!(runner.status().active, 0);
}

#[tokio::test]
async fn a_fatal_fault_costs_the_instance_and_reaches_the_caller() {
    let bench = Arc::new(Bench { fatal: true, ..Bench::default() });
    let runner = runner(&bench, options(1000));
    let fault = runner.execute(offer(&target("f", 100), Mode::Sync, "")).await.unwrap_err();
    assert_eq!(fault.message, "function failed");
    runner.close(Duration::from_secs(5)).await;
    assert_eq!(bench.removed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_start_that_fails_tells_its_caller_why() {
    let bench = Arc::new(Bench::default());
    *bench.start_fault.lock().unwrap() = Some(Fault::user(Kind::InitFailed, "no such luck"));
    let runner = runner(&bench, options(1000));
    let fault = runner.execute(offer(&target("f", 100), Mode::Sync, "")).await.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::InitFailed, "no such luck"));
    assert_eq!(runner.status().active, 0);
}

#[tokio::test]
async fn a_runner_of_one_group_refuses_calls_of_another() {
    let bench = Arc::new(Bench::default());
    let own = Options { group: Some(GroupId::new("green")), ..options(1000) };
    let outcome = runner(&bench, own).execute(offer(&target("f", 100), Mode::Sync, "")).await.unwrap();
    assert!(matches!(outcome, Outcome::Busy));
    assert_eq!(bench.started.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_larger_than_the_runner_is_told_so() {
    let bench = Arc::new(Bench::default());
    let fault =
        runner(&bench, options(50)).execute(offer(&target("f", 100), Mode::Sync, "")).await.unwrap_err();
    assert_eq!(fault.kind, Kind::CannotAllocate);
}

#[tokio::test]
async fn a_full_runner_is_busy_and_an_abandoned_call_makes_room() {
    let gate = Arc::new(Semaphore::new(0));
    let bench = Arc::new(Bench { gate: Some(gate.clone()), ..Bench::default() });
    let runner = runner(&bench, options(100));
    let f = target("f", 100);
    let held = tokio::spawn({
        let (runner, offer) = (runner.clone(), offer(&f, Mode::Sync, "a"));
        async move { runner.execute(offer).await }
    });
    bench.waiting.notified().await;
    assert!(matches!(runner.execute(offer(&f, Mode::Sync, "b")).await.unwrap(), Outcome::Busy));
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    // The abandoned call's instance is removed first; until then the runner may still be full.
    let answer = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            match runner.execute(offer(&f, Mode::Sync, "c")).await.unwrap() {
                Outcome::Busy => tokio::task::yield_now().await,
                outcome => break text(outcome).await,
            }
        }
    });
    assert_eq!(answer.await.unwrap(), "c");
    assert_eq!(runner.status().active, 0);
}

#[tokio::test]
async fn a_detached_call_is_accepted_and_runs_to_its_end() {
    let gate = Arc::new(Semaphore::new(0));
    let bench = Arc::new(Bench { gate: Some(gate.clone()), ..Bench::default() });
    let runner = runner(&bench, options(1000));
    match runner.execute(offer(&target("f", 100), Mode::Detached, "x")).await.unwrap() {
        Outcome::Answered(answer) => assert_eq!(answer.status, StatusCode::ACCEPTED),
        other => panic!("{other:?}"),
    }
    assert_eq!(runner.status().active, 1);
    gate.add_permits(1);
    runner.close(Duration::from_secs(5)).await;
    assert_eq!((runner.status().active, bench.removed.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn closing_lets_calls_in_hand_end_and_refuses_new_ones() {
    let gate = Arc::new(Semaphore::new(0));
    let bench = Arc::new(Bench { gate: Some(gate.clone()), ..Bench::default() });
    let runner = runner(&bench, options(1000));
    let f = target("f", 100);
    let held = tokio::spawn({
        let (runner, offer) = (runner.clone(), offer(&f, Mode::Sync, "a"));
        async move { text(runner.execute(offer).await.unwrap()).await }
    });
    bench.waiting.notified().await;
    let closing = tokio::spawn({
        let runner = runner.clone();
        async move { runner.close(Duration::from_secs(30)).await }
    });
    // The drain begins when the closing task first runs.
    while !matches!(runner.execute(offer(&f, Mode::Sync, "b")).await, Ok(Outcome::Busy)) {
        gate.add_permits(1);
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "a");
    closing.await.unwrap();
    assert_eq!(bench.removed.load(Ordering::SeqCst), bench.started.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_costs_its_instance_soon_after_the_deadline() {
    let bench = Arc::new(Bench::default());
    let runner = runner(&bench, options(1000));
    let quick = Arc::new(Target { timeout: Duration::from_millis(1), ..(*target("f", 100)).clone() });
    let unread = runner.execute(offer(&quick, Mode::Sync, "hi")).await.unwrap();
    tokio::time::pause();
    let running = tokio::spawn({
        let runner = runner.clone();
        async move { runner.run(tokio_util::sync::CancellationToken::new()).await }
    });
    let began = tokio::time::Instant::now();
    while bench.removed.load(Ordering::SeqCst) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "never taken back");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    running.abort();
    drop(unread);
}

#[tokio::test]
async fn a_runner_whose_engine_is_away_lets_the_call_go_elsewhere() {
    let bench = Arc::new(Bench::default());
    *bench.start_fault.lock().unwrap() = Some(Fault::service(Kind::Unavailable, "the engine is away"));
    let runner = runner(&bench, options(1000));
    let outcome = runner.execute(offer(&target("f", 100), Mode::Sync, "")).await.unwrap();
    assert!(matches!(outcome, Outcome::NeverArrived(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_detached_call_is_taken_before_its_body_is_read() {
    // As a balancer does it: the body's rest comes once the call is taken.
    let bench = Arc::new(Bench::default());
    let runner = runner(&bench, options(1000));
    let (sender, body) = tokio::sync::oneshot::channel::<()>();
    let sender = Mutex::new(Some(sender));
    let late = http_body_util::StreamBody::new(futures_util::stream::once(async move {
        body.await.map_err(|_| Fault::cancelled())?;
        Ok(http_body::Frame::data(bytes::Bytes::from_static(b"late")))
    }));
    let taken = Taken::new(move || {
        let _ = sender.lock().unwrap().take().map(|sender| sender.send(()));
    });
    let offer = Offer { body: late.boxed_unsync(), taken, ..offer(&target("f", 100), Mode::Detached, "") };
    let outcome = tokio::time::timeout(Duration::from_secs(5), runner.execute(offer)).await.unwrap();
    assert!(matches!(outcome.unwrap(), Outcome::Answered(_)));
}

#[tokio::test]
async fn a_function_that_ended_after_its_answer_costs_the_next_caller_nothing() {
    let bench = Arc::new(Bench { one_call_each: true, ..Bench::default() });
    let runner = runner(&bench, options(1000));
    let f = target("f", 100);
    for _ in 0..3 {
        assert_eq!(text(runner.execute(offer(&f, Mode::Sync, "hi")).await.unwrap()).await, "hi");
    }
    assert_eq!(bench.started.load(Ordering::SeqCst), 3);
}
