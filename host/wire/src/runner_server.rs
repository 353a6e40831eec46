//! Serves an `Executor` as Fn's runner protocol.

mod engage;
mod input;
mod reply;
mod unary;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::Service;
use remuda_core::port::Executor;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use tonic::Status;

/// What every method answers with.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// The runner protocol, for [`crate::serve_grpc`]. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct RunnerService {
    executor: Arc<dyn Executor>,
    counters: Arc<Counters>,
}

impl RunnerService {
    /// Calls go to `executor`.
    pub fn new(executor: Arc<dyn Executor>) -> Self {
        Self { executor, counters: Arc::default() }
    }

    /// Calls being executed now.
    pub fn active(&self) -> u64 {
        u64::try_from(self.counters.active.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// What Status reports.
#[derive(Debug, Default)]
struct Counters {
    active: AtomicI32,
    received: AtomicU64,
    handled: AtomicU64,
}

/// Counts one call: received and active from here on, handled at its end unless it was refused.
struct Counted {
    counters: Arc<Counters>,
    refused: bool,
}

impl Counted {
    fn begin(counters: &Arc<Counters>) -> Self {
        counters.active.fetch_add(1, Ordering::Relaxed);
        counters.received.fetch_add(1, Ordering::Relaxed);
        Self { counters: counters.clone(), refused: false }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counters.active.fetch_sub(1, Ordering::Relaxed);
        if !self.refused {
            self.counters.handled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Service<Request<Incoming>> for RunnerService {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let this = self.clone();
        match request.uri().path() {
            "/RunnerProtocol/Engage" => {
                Box::pin(async move { Ok(engage::engage(this.executor, &this.counters, request).await) })
            }
            "/RunnerProtocol/Status" => {
                Box::pin(async move { Ok(unary::status::<()>(&this.counters, request).await) })
            }
            "/RunnerProtocol/Status2" => {
                Box::pin(
                    async move { Ok(unary::status::<remuda_proto::Struct>(&this.counters, request).await) },
                )
            }
            "/RunnerProtocol/ConfigureRunner" => Box::pin(async move { Ok(unary::configure(request).await) }),
            "/RunnerProtocol/StreamLogs" => {
                Box::pin(async { Ok(refuse(Status::unknown("runner not configured with logStreamer"))) })
            }
            _ => Box::pin(async { Ok(refuse(Status::unimplemented(""))) }),
        }
    }
}

/// An answer that is nothing but a failure.
fn refuse(status: Status) -> Response<ReplyBody> {
    let (parts, ()) = status.into_http::<()>().into_parts();
    let empty = http_body_util::Empty::new().boxed_unsync();
    Response::from_parts(parts, empty)
}

/// The head of an answer with messages.
fn answer(body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
