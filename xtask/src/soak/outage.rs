//! Parts that are away for long, one after the other, while known functions are called: no call may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remuda_harness::{Cluster, Error, Front, FunctionId, Tls, daemons, images};
use remuda_test_databases::{Options, Postgres};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Failure;

/// Between two calls of one function.
const CALL_EVERY: Duration = Duration::from_millis(50);
/// How many functions are called at once.
const FUNCTIONS: usize = 4;

/// A part that was away, and what the callers saw of it.
pub(crate) struct Outage {
    pub(crate) part: &'static str,
    pub(crate) away: Duration,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) slowest: Duration,
}

/// What the callers have seen.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    calls: AtomicU64,
    failed: AtomicU64,
    slowest_us: AtomicU64,
}

/// Takes each part away for `time`.
pub(crate) async fn run(time: Duration) -> Result<Vec<Outage>, Failure> {
    let mut database = on_its_own_thread(|| Postgres::start(Options::default())).await?;
    let url = database.fresh_database().map_err(Failure::because)?;
    let mut cluster = cluster(&url).await?;
    let functions = deploy(&cluster).await?;
    let seen = Arc::new(Seen::default());
    let mut callers = JoinSet::new();
    for function in functions {
        callers.spawn(call_on(cluster.front(), function, seen.clone()));
    }
    let mut outages = Vec::new();
    cluster.node("npm").kill().await?;
    outages.push(watch("node pool manager", time, &seen).await);
    cluster.node("npm").restart().await?;
    for api in ["api", "api-2"] {
        cluster.node(api).kill().await?;
    }
    outages.push(watch("both API nodes", time, &seen).await);
    for api in ["api", "api-2"] {
        cluster.node(api).restart().await?;
    }
    database.kill();
    outages.push(watch("database", time, &seen).await);
    database.start_again().map_err(Failure::because)?;
    outages.push(watch("nothing", CALL_EVERY * 100, &seen).await);
    seen.stop.store(true, Ordering::Relaxed);
    callers.join_all().await;
    cluster.stop().await?;
    Ok(outages)
}

async fn on_its_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::because(error.to_string()))?
        .map_err(Failure::because)
}

async fn cluster(url: &str) -> Result<Cluster, Error> {
    let built = daemons::build(&["--locked"]).await?;
    let shape =
        Cluster::builder().api().api().lb().npm("noop").runner("blue").tls(Tls::SelfSigned).interactive();
    shape.env("api", "FN_DB_URL", url).env("api-2", "FN_DB_URL", url).daemons(built).start().await
}

/// Functions that stay hot: what is tried is whether calls find their way, not how fast containers start.
async fn deploy(cluster: &Cluster) -> Result<Vec<FunctionId>, Error> {
    let image = images::probe().await?;
    let app = cluster.api().create_app("soak", &[("FN_LB_GROUP_ID", "blue")]).await?;
    let mut functions = Vec::new();
    for number in 0..FUNCTIONS {
        let function = cluster.api().create_function(&app, &format!("f{number}"), &image).await?;
        cluster.front().invoke(&function, "first").await?;
        functions.push(function);
    }
    Ok(functions)
}

async fn call_on(front: Front, function: FunctionId, seen: Arc<Seen>) {
    let mut ticks = tokio::time::interval(CALL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !seen.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let begun = Instant::now();
        let answer = front.invoke(&function, "x").await;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        seen.slowest_us.fetch_max(took, Ordering::Relaxed);
        seen.calls.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(answer) if answer.status == 200 => {}
            other => {
                println!("    a call failed: {other:?}");
                seen.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Counts calls for a while.
async fn watch(part: &'static str, away: Duration, seen: &Seen) -> Outage {
    println!("    {part} away for {} s", away.as_secs());
    for counter in [&seen.calls, &seen.failed, &seen.slowest_us] {
        counter.store(0, Ordering::Relaxed);
    }
    tokio::time::sleep(away).await;
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let slowest = Duration::from_micros(read(&seen.slowest_us));
    Outage { part, away, calls: read(&seen.calls), failed: read(&seen.failed), slowest }
}
