//! What is sent to a runner: the call, then its body.

use crate::announce::frame_limit;
use crate::framing::put;
use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use http_body::Frame;
use remuda_core::{Body, Fault};
use remuda_proto::runner::{ClientMsg, DataFrame, TryCall, client_msg};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Sent in one piece at most, in bytes, as far as the body's own pieces allow.
const BATCH: usize = 64 * 1024;

/// What a call's two directions share. The caller's body is in here and not in the [`Upload`], which the connection
/// owns and drops when it likes: once the exchange has ended nothing reads the body any more, so that the call can be
/// offered elsewhere.
pub(super) struct Exchange {
    state: Mutex<State>,
    /// The upload's, while it waits for a body that may no longer matter.
    upload: AtomicWaker,
}

struct State {
    body: Option<Body>,
    fault: Option<Fault>,
    try_left: bool,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    /// The runner has said everything.
    Finished,
    /// The caller went away, or its body failed.
    Cancelled,
}

impl Exchange {
    pub(super) fn new(body: Body) -> Arc<Self> {
        let state = State { body: Some(body), fault: None, try_left: false, end: None };
        Arc::new(Self { state: Mutex::new(state), upload: AtomicWaker::new() })
    }
    /// Why the caller's body broke off, if it did.
    pub(super) fn body_fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }
    /// Whether the call was given to the connection: from then on it may have arrived.
    pub(super) fn try_left(&self) -> bool {
        self.lock().try_left
    }
    /// The runner has said everything: the rest of the body is dropped and the stream ends well.
    pub(super) fn finish(&self) {
        self.end(End::Finished);
    }
    /// Nobody wants the answer: the rest of the body is dropped and the stream is reset. Without effect on an
    /// exchange that has finished.
    pub(super) fn cancel(&self) {
        self.end(End::Cancelled);
    }
    fn end(&self, end: End) {
        let body = {
            let mut state = self.lock();
            state.end.get_or_insert(end);
            state.body.take()
        };
        // Dropped outside the lock: it is somebody else's code.
        drop(body);
        self.upload.wake();
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream's sending side.
pub(super) struct Upload {
    exchange: Arc<Exchange>,
    /// The call, framed, until it is sent.
    first: BytesMut,
    /// What of the body's last piece did not fit into what was sent.
    rest: Bytes,
    limit: usize,
    /// Whether the sending side is closed after the body. Fn's balancer leaves it open, and so do we towards
    /// foreign runners.
    half_close: bool,
    eof_sent: bool,
}

impl Upload {
    pub(super) fn new(tried: TryCall, exchange: Arc<Exchange>, announced: bool) -> Self {
        let mut first = BytesMut::new();
        put(&ClientMsg { body: Some(client_msg::Body::Try(tried)) }, &mut first);
        Self {
            exchange,
            first,
            rest: Bytes::new(),
            limit: frame_limit(announced),
            half_close: announced,
            eof_sent: false,
        }
    }
}

/// Appends a piece of the body, cut to the limit, as far as the batch has room. A batch is never left empty-handed.
fn put_data(rest: &mut Bytes, limit: usize, out: &mut BytesMut) {
    while !rest.is_empty() && out.len() < BATCH {
        let data = rest.split_to(limit.min(rest.len()));
        put_frame(DataFrame { data, eof: false }, out);
    }
}

fn put_frame(frame: DataFrame, out: &mut BytesMut) {
    put(&ClientMsg { body: Some(client_msg::Body::Data(frame)) }, out);
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        // Before looking, so that no end is missed between looking and sleeping.
        this.exchange.upload.register(cx.waker());
        let exchange = this.exchange.clone();
        let mut state = exchange.lock();
        match state.end {
            Some(End::Finished) => return Poll::Ready(None),
            Some(End::Cancelled) => return Poll::Ready(Some(Err(Fault::cancelled()))),
            None => {}
        }
        let mut out = std::mem::take(&mut this.first);
        state.try_left |= !out.is_empty();
        put_data(&mut this.rest, this.limit, &mut out);
        while !this.eof_sent && this.rest.is_empty() && out.len() < BATCH {
            let next = match state.body.as_mut() {
                Some(body) => Pin::new(body).poll_frame(cx),
                None => Poll::Ready(None),
            };
            match next {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers have no place in a call.
                    if let Ok(data) = frame.into_data() {
                        this.rest = data;
                        put_data(&mut this.rest, this.limit, &mut out);
                    }
                }
                Poll::Ready(Some(Err(fault))) => {
                    state.fault = Some(fault.clone());
                    state.end = Some(End::Cancelled);
                    return Poll::Ready(Some(Err(fault)));
                }
                Poll::Ready(None) => {
                    put_frame(DataFrame { data: Bytes::new(), eof: true }, &mut out);
                    this.eof_sent = true;
                }
            }
        }
        if !out.is_empty() {
            Poll::Ready(Some(Ok(Frame::data(out.freeze()))))
        } else if this.eof_sent && this.half_close {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }

    fn is_end_stream(&self) -> bool {
        self.eof_sent && self.half_close
    }
}
