//! Closed loops: each of a number of clients does one thing after the other.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::http::{self, Connection};
use super::statistics::{milliseconds, percentile};
use crate::Failure;

/// The body of a call: 256 bytes, as in the floor's figures in TARGETS.
const BODY: [u8; 256] = [b'x'; 256];

/// What is called over HTTP/1.1.
#[derive(Clone)]
pub(crate) struct Target {
    address: String,
    request: Request,
}

#[derive(Clone)]
enum Request {
    Same(Arc<[u8]>),
    Made(Arc<dyn Fn() -> Vec<u8> + Send + Sync>),
}

/// The outcome of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) calls_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) slowest: Duration,
}

impl Target {
    /// A POST to a path of a base address, `http://host:port`.
    pub(crate) fn new(base: &str, path: &str) -> Result<Self, Failure> {
        let address = http::address(base)?;
        let request = http::request("POST", path, &address, "Content-Type: text/plain\r\n", &BODY);
        Ok(Self { address, request: Request::Same(request.into()) })
    }

    /// Requests to a base address of which each is made anew, for `host:port`.
    pub(crate) fn made(
        base: &str,
        make: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let address = http::address(base)?;
        let host = address.clone();
        Ok(Self { address, request: Request::Made(Arc::new(move || make(&host))) })
    }

    fn request(&self) -> Cow<'_, [u8]> {
        match &self.request {
            Request::Same(bytes) => Cow::Borrowed(bytes),
            Request::Made(make) => Cow::Owned(make()),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (milliseconds(self.p50), milliseconds(self.p99));
        write!(formatter, "{:.0} calls/s, p50 {p50:.2} ms, p99 {p99:.2} ms", self.calls_per_second)
    }
}

impl Figures {
    /// The figures of what took these times, by several clients in `elapsed`.
    pub(crate) fn of(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self {
            calls_per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            slowest: latencies.last().copied().unwrap_or_default(),
        }
    }
}

/// Calls for that long over that many connections. Any answer but 200 fails the measurement.
pub(crate) async fn run(target: &Target, connections: usize, time: Duration) -> Result<Figures, Failure> {
    let end = Instant::now() + time;
    together(connections, |_| {
        let target = target.clone();
        async move { call_until(&target, end).await }
    })
    .await
}

/// Has that many clients do `work` for that long; `work` is given the client's number.
pub(crate) async fn repeat<W, F>(clients: usize, time: Duration, work: W) -> Result<Figures, Failure>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let end = Instant::now() + time;
    together(clients, |client| {
        let work = work.clone();
        async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let start = Instant::now();
                work(client).await?;
                latencies.push(start.elapsed());
            }
            Ok(latencies)
        }
    })
    .await
}

/// Runs loops at the same time; each answers how long each of its turns took.
async fn together<F>(count: usize, make: impl Fn(usize) -> F) -> Result<Figures, Failure>
where
    F: Future<Output = Result<Vec<Duration>, Failure>> + Send + 'static,
{
    let mut loops = JoinSet::new();
    let start = Instant::now();
    for number in 0..count {
        loops.spawn(make(number));
    }
    let mut latencies = Vec::new();
    while let Some(ended) = loops.join_next().await {
        let turns = ended.map_err(|error| Failure::because(format!("a load loop ended: {error}")))??;
        latencies.extend(turns);
    }
    Ok(Figures::of(latencies, start.elapsed()))
}

async fn call_until(target: &Target, end: Instant) -> Result<Vec<Duration>, Failure> {
    let mut connection = Connection::open(&target.address).await?;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let request = target.request();
        let start = Instant::now();
        connection.exchange(&request).await?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}

/// Does `work` for each number below `count`, by so many clients at the same time.
pub(crate) async fn share<F>(clients: usize, count: usize, work: impl Fn(usize) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for number in 0..count {
        if under_way.len() >= clients {
            ended(under_way.join_next().await)?;
        }
        under_way.spawn(work(number));
    }
    while !under_way.is_empty() {
        ended(under_way.join_next().await)?;
    }
    Ok(())
}

fn ended(turn: Option<Result<Result<(), Failure>, tokio::task::JoinError>>) -> Result<(), Failure> {
    match turn {
        None => Ok(()),
        Some(turn) => turn.map_err(|error| Failure::because(format!("a client ended: {error}")))?,
    }
}
