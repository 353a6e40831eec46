//! Calls, counted from their outcomes as they pass the front door.

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use remuda_core::port::Invoker;
use remuda_core::{Answer, Body, Call, Fault, Kind, Mode};
use remuda_telemetry::metrics::{Counter, Gauge, Registry};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The same invoker, with its calls counted.
pub(crate) fn counted(inner: Arc<dyn Invoker>, registry: &Registry) -> Arc<dyn Invoker> {
    Arc::new(Counted { inner, calls: Arc::new(Calls::new(registry)) })
}

/// Fn's names, without its labels: those are ids.
struct Calls {
    calls: Counter,
    running: Gauge,
    completed: Counter,
    canceled: Counter,
    timeouts: Counter,
    errors: Counter,
    server_busy: Counter,
}

impl Calls {
    fn new(registry: &Registry) -> Self {
        Self {
            calls: registry.counter("fn_calls", "Calls that were taken in."),
            running: registry.gauge("fn_running", "Calls that were taken in and have not ended."),
            completed: registry.counter("fn_completed", "Calls that were answered to the last byte."),
            canceled: registry.counter("fn_canceled", "Calls whose callers went away."),
            timeouts: registry
                .counter("fn_timeouts", "Calls that took longer than their function's timeout."),
            errors: registry.counter("fn_errors", "Calls that failed in any other way."),
            server_busy: registry.counter("fn_server_busy", "Calls for which there was no room in time."),
        }
    }

    fn ended(&self, outcome: Result<(), Kind>) {
        self.running.decrement();
        let counter = match outcome {
            Ok(()) => &self.completed,
            Err(Kind::Cancelled) => &self.canceled,
            Err(Kind::Timeout) => &self.timeouts,
            Err(Kind::Busy) => &self.server_busy,
            Err(
                Kind::Invalid
                | Kind::Unauthorized
                | Kind::Forbidden
                | Kind::NotFound
                | Kind::Conflict
                | Kind::TooLarge
                | Kind::CannotAllocate
                | Kind::ImageRefused
                | Kind::PullFailed
                | Kind::PullTimeout
                | Kind::TooMany
                | Kind::DetachRefused
                | Kind::InitFailed
                | Kind::InitTimeout
                | Kind::FunctionFailed
                | Kind::RunnerLost
                | Kind::Unavailable
                | Kind::Foreign(_)
                | Kind::Internal,
            ) => &self.errors,
        };
        counter.increment();
    }
}

/// A call that runs. Dropped before it ended, it was cancelled: that is how a caller's going away shows.
struct Running(Option<Arc<Calls>>);

impl Running {
    fn end(&mut self, outcome: Result<(), Kind>) {
        if let Some(calls) = self.0.take() {
            calls.ended(outcome);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Err(Kind::Cancelled));
    }
}

struct Counted {
    inner: Arc<dyn Invoker>,
    calls: Arc<Calls>,
}

#[async_trait]
impl Invoker for Counted {
    async fn invoke(&self, call: Arc<Call>, body: Body) -> Result<Answer, Fault> {
        self.calls.calls.increment();
        self.calls.running.increment();
        let mut running = Running(Some(Arc::clone(&self.calls)));
        let mode = call.mode;
        let mut answer = match self.inner.invoke(call, body).await {
            Ok(answer) => answer,
            Err(fault) => {
                running.end(Err(fault.kind));
                return Err(fault);
            }
        };
        // A detached call's answer says that it was accepted; the rest happens out of our sight.
        if mode == Mode::Detached || answer.body.is_end_stream() {
            running.end(Ok(()));
            return Ok(answer);
        }
        answer.body = Answering { inner: answer.body, running }.boxed_unsync();
        Ok(answer)
    }
}

/// An answer's body, whose end is the call's.
struct Answering {
    inner: Body,
    running: Running,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.running.end(Ok(())),
            Poll::Ready(Some(Err(fault))) => {
                let kind = fault.kind;
                self.running.end(Err(kind));
            }
            // Whoever knows the length asks no further.
            Poll::Ready(Some(Ok(_))) if self.inner.is_end_stream() => self.running.end(Ok(())),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
