//! The caller's bytes as they come from a balancer, and what the two directions of a call share.

use crate::framing::{Error, MessageReader};
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use remuda_core::{Fault, Kind};
use remuda_proto::runner::{ClientMsg, client_msg};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

/// What a balancer that sends anything but data is told.
pub(super) const EXPECTED_DATA: &str = "Protocol failure: expected ClientMsg_Data";

/// What a call's two directions share.
#[derive(Default)]
pub(super) struct Shared {
    /// When the executor said that the call is its own.
    taken: OnceLock<SystemTime>,
    input_ended: AtomicBool,
    violated: AtomicBool,
    reply: AtomicWaker,
}

impl Shared {
    /// The executor has taken the call.
    pub(super) fn take(&self) {
        self.taken.get_or_init(SystemTime::now);
        self.reply.wake();
    }
    /// When it was taken, if it was.
    pub(super) fn taken_at(&self) -> Option<SystemTime> {
        self.taken.get().copied()
    }
    /// True when the balancer should be told that the call is taken: when it may still hold back bytes.
    pub(super) fn should_tell(&self) -> bool {
        self.taken.get().is_some() && !self.input_ended.load(Ordering::Relaxed)
    }
    /// Whether the balancer broke the protocol.
    pub(super) fn violated(&self) -> bool {
        self.violated.load(Ordering::Relaxed)
    }
    /// The reply's task, to be woken when the call is taken.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.reply.register(cx.waker());
    }
}

/// The caller's bytes. It reads from the connection only when it is read, so that a slow function slows its caller
/// down and nothing piles up here.
pub(super) struct Input {
    reader: MessageReader<Incoming>,
    shared: Arc<Shared>,
    ended: bool,
}

impl Input {
    pub(super) fn new(reader: MessageReader<Incoming>, shared: Arc<Shared>) -> Self {
        Self { reader, shared, ended: false }
    }

    fn end(&mut self) {
        self.ended = true;
        self.shared.input_ended.store(true, Ordering::Relaxed);
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.ended = true;
        Poll::Ready(Some(Err(fault)))
    }

    /// The stream ended, or is no stream of messages.
    fn broken(&mut self, error: Option<Error>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match error {
            // The balancer gave the call up: it ends its side only after the last frame.
            None => self.fail(Fault::cancelled()),
            Some(error @ Error::Lost(_)) => self.fail(Fault::cancelled().caused_by(error)),
            Some(error) => self.fail(Fault::service(Kind::Invalid, "Protocol failure").caused_by(error)),
        }
    }
}

impl Body for Input {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            let message = match ready!(this.reader.poll_next::<ClientMsg>(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return this.broken(Some(error)),
                None => return this.broken(None),
            };
            match message.body {
                Some(client_msg::Body::Data(piece)) => {
                    if piece.eof {
                        this.end();
                    }
                    if !piece.data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(piece.data))));
                    }
                }
                Some(client_msg::Body::Try(_)) | None => {
                    this.shared.violated.store(true, Ordering::Relaxed);
                    return this.fail(Fault::service(Kind::Invalid, EXPECTED_DATA));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
