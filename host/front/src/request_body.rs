//! A request's body, metered.

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use remuda_core::{Fault, Kind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// The declared length of a body, if there is one that can be understood.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a request whose declared length is above `max` (0 = no limit), in Fn's words.
pub(crate) fn check_declared(headers: &HeaderMap, max: u64) -> Result<(), Fault> {
    match declared_length(headers) {
        Some(length) if max > 0 && length > max => {
            let text = format!("Content-Length too large for this server, {length} > max {max}");
            Err(Fault::user(Kind::TooLarge, text))
        }
        _ => Ok(()),
    }
}

/// What a body that turns out to be longer than `max` bytes is told.
pub(crate) fn too_large(max: u64) -> Fault {
    Fault::user(Kind::TooLarge, format!("Request body too large for this server, more than max {max}"))
}

/// A request's body that ends with a fault when it is longer or slower than allowed, or when the client goes away.
pub(crate) struct Metered {
    inner: axum::body::Body,
    max: u64,
    left: u64,
    deadline: Option<(Duration, Pin<Box<Sleep>>)>,
    exceeded: CancellationToken,
    ended: bool,
}

impl Metered {
    /// At most `max` bytes (0 = no limit), all of them within `timeout`.
    pub(crate) fn new(inner: axum::body::Body, max: u64, timeout: Option<Duration>) -> Self {
        let left = if max == 0 { u64::MAX } else { max };
        let deadline = timeout.map(|timeout| (timeout, Box::pin(tokio::time::sleep(timeout))));
        Self { inner, max, left, deadline, exceeded: CancellationToken::new(), ended: false }
    }

    /// Cancelled once the body turned out to be too long.
    pub(crate) fn exceeded(&self) -> CancellationToken {
        self.exceeded.clone()
    }

    /// The whole body, in memory.
    pub(crate) async fn collect_bytes(self) -> Result<Bytes, Fault> {
        Ok(self.collect().await?.to_bytes())
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.ended = true;
        Poll::Ready(Some(Err(fault)))
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) else {
            let Some((timeout, sleep)) = &mut self.deadline else { return Poll::Pending };
            ready!(sleep.as_mut().poll(context));
            let seconds = timeout.as_secs();
            let text = format!("the request's body did not arrive within {seconds} s");
            return self.fail(Fault::invalid(text));
        };
        match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                if length > self.left {
                    self.exceeded.cancel();
                    let fault = too_large(self.max);
                    return self.fail(fault);
                }
                self.left -= length;
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.fail(Fault::cancelled().caused_by(error)),
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
