//! How long one lookup takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use remuda_core::port::Definitions;
use remuda_core::{AppId, FnId};
use remuda_lb::CachedDefinitions;
use remuda_wire::ApiClient;
use tokio::task::JoinSet;

use crate::Failure;
use crate::bench::Doing;
use crate::bench::load::Figures;
use crate::bench::statistics::percentile;

/// Tasks that look up at the same time.
pub(super) const TASKS: usize = 8;
/// Pairs of lookups that each round does, by however many tasks.
const PAIRS: usize = 1_600_000;
/// Pairs between two at which a task lets others run.
const BETWEEN_YIELDS: usize = 1000;
/// One pair in so many is timed by itself: reading the clock costs about as much as a lookup.
const TIMED: usize = 100;
/// Lookups that ask an API node.
const ASKED: usize = 2000;

/// Lookups that were answered from the cache. A pair is what a call needs: its function, and that function's app.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hits {
    /// Of one core's time, for one lookup.
    pub(super) per_lookup_ns: f64,
    /// Of a pair, timed by itself.
    pub(super) pair_p50: Duration,
    pub(super) pair_p99: Duration,
}

pub(super) async fn hit(
    definitions: &Arc<CachedDefinitions>,
    app: &str,
    function: &str,
    tasks: usize,
) -> Result<Hits, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(tasks);
    let mut running = JoinSet::new();
    let start = Instant::now();
    for _ in 0..tasks {
        let definitions = Arc::clone(definitions);
        // Each its own, as calls bring them along.
        let (app, function) = (AppId::new(app), FnId::new(function));
        running.spawn(async move { look_up(&definitions, &app, &function, PAIRS / tasks).await });
    }
    let mut timed = Vec::new();
    while let Some(ended) = running.join_next().await {
        timed.extend(ended.doing("look up")??);
    }
    let elapsed = start.elapsed();
    timed.sort_unstable();
    Ok(Hits {
        per_lookup_ns: elapsed.as_nanos() as f64 * cores as f64 / (PAIRS * 2) as f64,
        pair_p50: percentile(&timed, 50),
        pair_p99: percentile(&timed, 99),
    })
}

async fn look_up(
    definitions: &CachedDefinitions,
    app: &AppId,
    function: &FnId,
    pairs: usize,
) -> Result<Vec<Duration>, Failure> {
    let mut timed = Vec::new();
    for number in 0..pairs {
        let start = number.is_multiple_of(TIMED).then(Instant::now);
        let found = definitions.function(function).await.doing("look a function up")?;
        let of = definitions.app(app).await.doing("look an app up")?;
        if let Some(start) = start {
            timed.push(start.elapsed());
        }
        if found.app_id != of.id {
            return Err(Failure::because("the function is another app's"));
        }
        if number.is_multiple_of(BETWEEN_YIELDS) {
            tokio::task::yield_now().await;
        }
    }
    Ok(timed)
}

/// Lookups that are not cached, one after the other: of a function and of its app in turn.
pub(super) async fn ask(client: &ApiClient, app: &str, function: &str) -> Result<Figures, Failure> {
    let (app, function) = (AppId::new(app), FnId::new(function));
    let mut took = Vec::new();
    let whole = Instant::now();
    for _ in 0..ASKED / 2 {
        let start = Instant::now();
        client.function(&function).await.doing("ask for a function")?;
        let middle = Instant::now();
        client.app(&app).await.doing("ask for an app")?;
        took.extend([middle - start, middle.elapsed()]);
    }
    Ok(Figures::of(took, whole.elapsed()))
}
