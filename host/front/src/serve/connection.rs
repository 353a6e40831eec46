//! One connection: requests in, responses out, and its end.

use super::ServeOptions;
use super::handshake::Refusals;
use super::stream::{Guarded, Progress};
use crate::{Peer, json};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Request, StatusCode, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::ServiceExt;

/// Headers that one request may have.
const MAX_HEADERS: usize = 256;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
/// How often a silent HTTP/2 client is asked whether it is alive, and how long it has to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// The least that hyper can work with.
const MIN_BUFFER: usize = 8192;

/// What all connections of a listener share.
pub(super) struct Shared {
    router: Router,
    pub(super) options: ServeOptions,
    /// How connections that come now are encrypted; `None`: not at all.
    pub(super) tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    pub(super) shutdown: CancellationToken,
    pub(super) refusals: Refusals,
    /// Counts the requests in flight, until the last byte of their responses.
    pub(super) requests: TaskTracker,
    /// Cancelled when none is in flight any more.
    pub(super) idle: CancellationToken,
    /// Cancelled when the grace period is over.
    pub(super) kill: CancellationToken,
}

impl Shared {
    pub(super) fn new(
        router: Router,
        options: ServeOptions,
        tls: Option<watch::Receiver<Arc<ServerConfig>>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            router,
            options,
            tls,
            shutdown,
            refusals: Refusals::default(),
            requests: TaskTracker::new(),
            idle: CancellationToken::new(),
            kill: CancellationToken::new(),
        }
    }

    /// A client's stream under this listener's limits.
    pub(super) fn guard(&self, stream: TcpStream, progress: &Arc<Progress>) -> Guarded {
        let ServeOptions { header_read_timeout, write_timeout, .. } = self.options;
        Guarded::new(stream, Arc::clone(progress), header_read_timeout, write_timeout)
    }

    async fn answer(&self, request: Request<Incoming>, progress: &Progress) -> Response {
        progress.request_seen(request.version() == Version::HTTP_2);
        if self.shutdown.is_cancelled() {
            return stopping(request.version());
        }
        if let Some(why) = wrong_host(&request) {
            return json::error(StatusCode::BAD_REQUEST, why);
        }
        let token = self.requests.token();
        let response = match self.router.clone().oneshot(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        response.map(|body| Body::new(Counted { body, _token: token }))
    }
}

/// Why a request of HTTP/1.1 does not say whom it is for: RFC 9112, 3.2, asks for one `Host` that is a host. What it says
/// becomes part of the URLs that functions and clients are shown.
fn wrong_host(request: &Request<Incoming>) -> Option<&'static str> {
    if request.version() != Version::HTTP_11 {
        return None;
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Some("the request has no Host header"),
        (Some(_), Some(_)) => Some("the request has more than one Host header"),
        (Some(host), None) if host.is_empty() => None,
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes()).ok();
            let is_host = authority.is_some_and(|authority| !authority.as_str().contains('@'));
            (!is_host).then_some("the Host header is no host and port")
        }
    }
}

/// What a request is told that came when the listener had stopped.
fn stopping(version: Version) -> Response {
    let mut response = json::error(StatusCode::SERVICE_UNAVAILABLE, "this node is shutting down");
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Serves one connection to its end. `peer` is what its encryption told of the other end.
pub(super) async fn run<S>(stream: S, peer: Option<Peer>, progress: Arc<Progress>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = builder(&shared);
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        let (shared, progress) = (Arc::clone(&shared), Arc::clone(&progress));
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        async move { Ok::<_, Infallible>(shared.answer(request, &progress).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = should_wind_up(&shared, &progress) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(error = %chain(&*error), "connection ended early");
    }
}

/// Waits until the connection is to take no more requests. HTTP/2 can say so while others are in flight; on HTTP/1.1
/// a kept-alive connection stays open as long as somebody's request is in flight, to answer 503 instead of a reset.
async fn should_wind_up(shared: &Shared, progress: &Progress) {
    shared.shutdown.cancelled().await;
    if !progress.is_http2() {
        shared.idle.cancelled().await;
    }
}

fn builder(shared: &Shared) -> auto::Builder<Owned> {
    let options = &shared.options;
    let mut builder = auto::Builder::new(Owned { tasks: shared.requests.clone(), kill: shared.kill.clone() });
    builder
        .http1()
        .timer(TokioTimer::new())
        // As Fn writes them: scripts that look for `Fn-Call-Id:` find it.
        .title_case_headers(true)
        .header_read_timeout(options.header_read_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(usize::try_from(options.max_header_bytes).unwrap_or(usize::MAX).max(MIN_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(options.max_header_bytes)
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Runs the tasks of HTTP/2 streams so that they end with the listener.
#[derive(Clone)]
struct Owned {
    tasks: TaskTracker,
    kill: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Owned
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let kill = self.kill.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = kill.cancelled() => {}
                _ = future => {}
            }
        });
    }
}

/// A response's body that counts as a request in flight until it is gone.
struct Counted {
    body: Body,
    _token: TaskTrackerToken,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
