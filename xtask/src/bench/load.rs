//! A closed loop of HTTP/1.1 calls over a number of kept-alive connections. Written on plain sockets, so that the
//! client costs as little of the two cores as it can and the same for both sides of a comparison.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::statistics::{milliseconds, percentile};
use crate::Failure;

/// The request's body: 256 bytes, as in the floor's figures in TARGETS.
const BODY: [u8; 256] = [b'x'; 256];
const CALL_WITHIN: Duration = Duration::from_secs(60);
/// Far above what an answer of the probe has.
const BODY_BYTES_AT_MOST: usize = 1 << 20;

/// What is called.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: String,
    request: Vec<u8>,
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
        let address = base.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned());
        let address = address.ok_or_else(|| Failure::because(format!("{base} is no http address")))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            BODY.len()
        );
        Ok(Self { address, request: [head.as_bytes(), &BODY].concat() })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (milliseconds(self.p50), milliseconds(self.p99));
        write!(formatter, "{:.0} calls/s, p50 {p50:.2} ms, p99 {p99:.2} ms", self.calls_per_second)
    }
}

/// Calls for that long over that many connections. Any answer but 200 fails the measurement.
pub(crate) async fn run(target: &Target, connections: usize, time: Duration) -> Result<Figures, Failure> {
    let mut loops = JoinSet::new();
    let start = Instant::now();
    for _ in 0..connections {
        let target = target.clone();
        loops.spawn(async move { call_until(&target, start + time).await });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = loops.join_next().await {
        let calls = ended.map_err(|error| Failure::because(format!("a load loop ended: {error}")))??;
        latencies.extend(calls);
    }
    let elapsed = start.elapsed();
    latencies.sort_unstable();
    Ok(Figures {
        calls_per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
        slowest: latencies.last().copied().unwrap_or_default(),
    })
}

async fn call_until(target: &Target, end: Instant) -> Result<Vec<Duration>, Failure> {
    let failed = |error: std::io::Error| Failure::because(format!("a call to {}: {error}", target.address));
    let stream = TcpStream::connect(&target.address).await.map_err(failed)?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut latencies = Vec::new();
    let mut body = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        let call = call_once(target, &mut stream, &mut body);
        let status = tokio::time::timeout(CALL_WITHIN, call)
            .await
            .map_err(|_late| Failure::because(format!("a call to {} did not end", target.address)))?
            .map_err(failed)?;
        latencies.push(start.elapsed());
        if status != 200 {
            let text = String::from_utf8_lossy(&body);
            return Err(Failure::because(format!("{} answered {status}: {text}", target.address)));
        }
    }
    Ok(latencies)
}

async fn call_once(
    target: &Target,
    stream: &mut BufReader<TcpStream>,
    body: &mut Vec<u8>,
) -> std::io::Result<u16> {
    stream.get_mut().write_all(&target.request).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no HTTP answer: {line:?}")))?;
    let mut length = Some(0);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = Some(value.trim().parse().map_err(std::io::Error::other)?);
        } else if header.starts_with("transfer-encoding:") {
            length = None;
        }
    }
    body.clear();
    match length {
        Some(length) => read_exactly(stream, body, length).await?,
        None => read_chunks(stream, body).await?,
    }
    Ok(status)
}

async fn read_exactly(
    stream: &mut BufReader<TcpStream>,
    body: &mut Vec<u8>,
    count: usize,
) -> std::io::Result<()> {
    let start = body.len();
    if start + count > BODY_BYTES_AT_MOST {
        return Err(std::io::Error::other("the answer is larger than any that we expect"));
    }
    body.resize(start + count, 0);
    stream.read_exact(&mut body[start..]).await.map(drop)
}

async fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        read_exactly(stream, body, size).await?;
        // The end of line behind each chunk, and behind the last one in place of trailers.
        line.clear();
        stream.read_line(&mut line).await?;
        if size == 0 {
            return Ok(());
        }
    }
}
