//! What a balancer is answered: the call's outcome as a stream of messages.

use super::Counted;
use super::input::{EXPECTED_DATA, Shared};
use crate::announce::frame_limit;
use crate::fault_code::{BUSY, BUSY_TEXT, code};
use crate::framing::put;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use remuda_core::port::Outcome;
use remuda_core::{Answer, Blame, Body, Call, Fault, Timestamp};
use remuda_proto::runner::call_result_start::Meta as StartMeta;
use remuda_proto::runner::{
    CallFinished, CallResultStart, DataFrame, HttpHeader, HttpRespMeta, RunnerMsg, Taken, runner_msg,
};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tonic::Status;

/// Sent in one piece at most, in bytes, as far as the function's own pieces allow.
const BATCH: usize = 64 * 1024;

/// What Finished says about any outcome.
pub(super) struct Meta {
    id: String,
    image: String,
    received: SystemTime,
}

impl Meta {
    pub(super) fn of(call: &Call, received: SystemTime) -> Self {
        Self { id: call.id.to_string(), image: call.target.image.clone(), received }
    }
}

enum State {
    Executing(BoxFuture<'static, Result<Outcome, Fault>>),
    Answering(Body),
    /// All messages are out; the status is next.
    Ending(Status),
    Ended,
}

/// The reply's stream. Dropping it drops the execution, and with it the call.
pub(super) struct Reply {
    state: State,
    out: BytesMut,
    /// What of the function's last piece did not fit into what was sent.
    rest: Bytes,
    meta: Meta,
    shared: Arc<Shared>,
    counted: Counted,
    limit: usize,
    /// Whether the balancer is still to be told that its call is taken, once it is.
    tell_taken: bool,
    answering_since: Option<SystemTime>,
}

impl Reply {
    pub(super) fn executing(
        executing: BoxFuture<'static, Result<Outcome, Fault>>,
        meta: Meta,
        shared: Arc<Shared>,
        counted: Counted,
        announced: bool,
    ) -> Self {
        Self {
            state: State::Executing(executing),
            out: BytesMut::new(),
            rest: Bytes::new(),
            meta,
            shared,
            counted,
            limit: frame_limit(announced),
            tell_taken: announced,
            answering_since: None,
        }
    }

    /// For a call that could not even be read.
    pub(super) fn unreadable(
        why: String,
        received: SystemTime,
        shared: Arc<Shared>,
        counted: Counted,
        limit: usize,
    ) -> Self {
        let mut reply = Self {
            state: State::Ending(Status::ok("")),
            out: BytesMut::new(),
            rest: Bytes::new(),
            meta: Meta { id: String::new(), image: String::new(), received },
            shared,
            counted,
            limit,
            tell_taken: false,
            answering_since: None,
        };
        let finished = CallFinished { error_str: why, ..CallFinished::default() };
        reply.put(runner_msg::Body::Finished(finished));
        reply
    }

    /// Waits until there is something to send.
    pub(super) async fn first_message(&mut self) {
        std::future::poll_fn(|cx| {
            self.advance(cx);
            let waiting = self.out.is_empty() && !matches!(self.state, State::Ending(_));
            if waiting { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Goes on as far as possible without waiting, and gathers messages until a batch is full.
    fn advance(&mut self, cx: &mut Context<'_>) {
        self.shared.register(cx);
        if let State::Executing(executing) = &mut self.state {
            match executing.as_mut().poll(cx) {
                Poll::Pending => return self.tell_if_taken(),
                Poll::Ready(outcome) => self.outcome(outcome),
            }
        }
        self.put_rest();
        while self.rest.is_empty() && self.out.len() < BATCH {
            let State::Answering(body) = &mut self.state else { return };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return self.tell_if_taken(),
                Poll::Ready(Some(Ok(frame))) => {
                    // A function's trailers are not passed on: the protocol has no place for them.
                    self.rest = frame.into_data().unwrap_or_default();
                    self.put_rest();
                }
                Poll::Ready(Some(Err(fault))) => self.failed(&fault),
                Poll::Ready(None) => {
                    let finished = CallFinished { success: true, ..self.finished() };
                    self.end(finished);
                }
            }
        }
    }

    fn tell_if_taken(&mut self) {
        if self.tell_taken && self.shared.should_tell() {
            self.tell_taken = false;
            self.put(runner_msg::Body::Taken(Taken {}));
        }
    }

    fn outcome(&mut self, outcome: Result<Outcome, Fault>) {
        match outcome {
            Ok(Outcome::Answered(Answer { status, headers, body })) => {
                self.answering_since = Some(SystemTime::now());
                // Whoever holds back bytes until the call is taken learns it from the answer.
                self.tell_taken = false;
                let meta = HttpRespMeta { status_code: i32::from(status.as_u16()), headers: pairs(&headers) };
                let start = CallResultStart { meta: Some(StartMeta::Http(meta)) };
                self.put(runner_msg::Body::ResultStart(start));
                self.state = State::Answering(body);
            }
            Ok(Outcome::Busy) => self.busy(),
            // Nothing was started, which is all that a balancer asks of a refusal.
            Ok(Outcome::NeverArrived(fault)) => {
                tracing::debug!(call.id = %self.meta.id, error = %fault.chain(), "a call did not reach its executor");
                self.busy();
            }
            Err(fault) => self.failed(&fault),
        }
    }

    fn busy(&mut self) {
        self.counted.refused = true;
        let finished = CallFinished { error_code: BUSY, error_str: BUSY_TEXT.to_owned(), ..self.finished() };
        self.end(finished);
    }

    fn failed(&mut self, fault: &Fault) {
        if self.shared.violated() {
            self.state = State::Ending(Status::unknown(EXPECTED_DATA));
            return;
        }
        self.counted.refused = code(fault.kind) == BUSY;
        tracing::debug!(call.id = %self.meta.id, error = %fault.chain(), "a call failed");
        let finished = CallFinished {
            error_code: code(fault.kind),
            error_str: fault.message.to_string(),
            error_user: fault.blame == Blame::User,
            ..self.finished()
        };
        self.end(finished);
    }

    fn end(&mut self, finished: CallFinished) {
        self.put(runner_msg::Body::Finished(finished));
        self.state = State::Ending(Status::ok(""));
    }

    /// What every Finished of this call says.
    fn finished(&self) -> CallFinished {
        let now = SystemTime::now();
        let started = self.shared.taken_at().or(self.answering_since);
        let text = |at: SystemTime| Timestamp::from(at).to_string();
        CallFinished {
            details: self.meta.id.clone(),
            created_at: text(self.meta.received),
            started_at: started.map(text).unwrap_or_default(),
            completed_at: started.map(|_| text(now)).unwrap_or_default(),
            scheduler_duration: nanoseconds(self.meta.received, started.unwrap_or(now)),
            execution_duration: started.map_or(0, |started| nanoseconds(started, now)),
            image: self.meta.image.clone(),
            ..CallFinished::default()
        }
    }

    fn put_rest(&mut self) {
        while !self.rest.is_empty() && self.out.len() < BATCH {
            let data = self.rest.split_to(self.limit.min(self.rest.len()));
            self.put(runner_msg::Body::Data(DataFrame { data, eof: false }));
        }
    }

    fn put(&mut self, body: runner_msg::Body) {
        put(&RunnerMsg { body: Some(body) }, &mut self.out);
    }
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.out.len() < BATCH {
            this.advance(cx);
        }
        if !this.out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(this.out.split().freeze()))));
        }
        match std::mem::replace(&mut this.state, State::Ended) {
            State::Ending(status) => Poll::Ready(Some(Ok(Frame::trailers(trailers(&status))))),
            State::Ended => Poll::Ready(None),
            waiting @ (State::Executing(_) | State::Answering(_)) => {
                this.state = waiting;
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    if status.add_header(&mut trailers).is_err() {
        trailers.insert("grpc-status", HeaderValue::from_static("2"));
    }
    trailers
}

fn nanoseconds(from: SystemTime, to: SystemTime) -> i64 {
    let elapsed: Duration = to.duration_since(from).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

/// One pair per value.
fn pairs(headers: &HeaderMap) -> Vec<HttpHeader> {
    let pair = |(name, value): (&http::HeaderName, &HeaderValue)| HttpHeader {
        key: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    headers.iter().map(pair).collect()
}
