//! The answer's bytes as they come from a runner, and how its streams end.

use super::{CLEAN_END, CancelOnDrop};
use crate::connection::{Link, Received, chain};
use crate::fault_code::{BUSY, fault};
use crate::framing::MessageReader;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use remuda_core::port::Outcome;
use remuda_core::{Fault, Kind};
use remuda_proto::runner::{RunnerMsg, runner_msg};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;

/// The runner went away when the call may have begun.
pub(super) fn lost(reason: impl Into<String>) -> Fault {
    Fault::service(Kind::RunnerLost, "runner lost while the call was running").caused_by(reason.into())
}

/// How a stream ended, by the gRPC status in its trailers.
pub(super) enum Ending {
    /// As it should.
    Ok,
    /// With the number 503, which Fn's runners use for "no room".
    Busy,
    /// The peer does not know the method: nothing was started.
    Unimplemented,
    /// The runner, or what stands before it, is going away.
    Unavailable(String),
    /// Anything else, in words.
    Failed(String),
}

const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;

/// Reads the status; `None` when there is none.
pub(super) fn ending(trailers: &HeaderMap) -> Option<Ending> {
    let number = trailers.get("grpc-status")?.to_str().ok().and_then(|text| text.parse::<i32>().ok());
    let text = || {
        let raw = trailers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or_default();
        format!("gRPC status {}: {raw}", number.unwrap_or(2))
    };
    Some(match number {
        Some(0) => Ending::Ok,
        Some(BUSY) => Ending::Busy,
        Some(UNIMPLEMENTED) => Ending::Unimplemented,
        Some(UNAVAILABLE) => Ending::Unavailable(text()),
        Some(_) | None => Ending::Failed(text()),
    })
}

impl Ending {
    /// What it means when no Finished came before it.
    pub(super) fn without_answer(self) -> Result<Outcome, Fault> {
        match self {
            Ending::Busy => Ok(Outcome::Busy),
            Ending::Ok => Err(lost("the runner ended the stream without an answer")),
            Ending::Unavailable(said) => Err(lost(said)),
            Ending::Unimplemented => Err(Fault::internal("the peer is not a runner")),
            Ending::Failed(said) => Err(Fault::internal(said)),
        }
    }
}

/// An answer's body. Dropping it before its end cancels the call.
pub(super) struct AnswerBody {
    reader: MessageReader<Received>,
    exchange: CancelOnDrop,
    link: Link,
    finished: bool,
    /// Armed when the runner has said that the call is finished and not yet ended its stream.
    clean_end: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl AnswerBody {
    pub(super) fn new(reader: MessageReader<Received>, exchange: CancelOnDrop, link: Link) -> Self {
        Self { reader, exchange, link, finished: false, clean_end: None, ended: false }
    }

    /// The stream ended before the runner said that the call did.
    fn broke_off(&self) -> Fault {
        match self.reader.trailers().and_then(ending) {
            Some(Ending::Failed(said)) => Fault::internal(said),
            Some(Ending::Unavailable(said)) => lost(said),
            Some(Ending::Ok | Ending::Busy | Ending::Unimplemented) | None => {
                lost("the runner ended the stream inside the answer")
            }
        }
    }

    /// Nothing comes for now: that is an error once it has lasted too long after the call's end.
    fn poll_clean_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.finished {
            return Poll::Pending;
        }
        let sleep = self.clean_end.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLEAN_END)));
        ready!(sleep.as_mut().poll(cx));
        self.ended = true;
        Poll::Ready(Some(Err(lost("the runner finished the call and did not end its stream"))))
    }

    fn read_failed(&self, error: &crate::framing::Error) -> Fault {
        let body_fault = self.exchange.0.body_fault();
        body_fault.unwrap_or_else(|| lost(self.link.reason().unwrap_or_else(|| chain(error))))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            let next = match this.reader.poll_next::<RunnerMsg>(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => return this.poll_clean_end(cx),
            };
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(this.read_failed(&error))));
                }
                None => {
                    this.ended = true;
                    return Poll::Ready(if this.finished { None } else { Some(Err(this.broke_off())) });
                }
            };
            match message.body {
                Some(runner_msg::Body::Data(piece)) if !piece.data.is_empty() && !this.finished => {
                    return Poll::Ready(Some(Ok(Frame::data(piece.data))));
                }
                Some(runner_msg::Body::Finished(finished)) => {
                    this.exchange.0.finish();
                    if !finished.success {
                        this.ended = true;
                        return Poll::Ready(Some(Err(fault(&finished))));
                    }
                    // The stream's own end is waited for: an answer counts once it ended cleanly.
                    this.finished = true;
                }
                Some(
                    runner_msg::Body::Data(_) | runner_msg::Body::ResultStart(_) | runner_msg::Body::Taken(_),
                )
                | None => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
