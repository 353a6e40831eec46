//! The function's bytes on their way to the caller.

use crate::contract::connection::{Connection, Home};
use crate::contract::verdict;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use remuda_core::Fault;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Sleep;

/// An answer's body: what was held back, then the rest as it comes, until the deadline. Owns its connection, so that
/// dropping it half-way closes that, and reading it to its end keeps it for the next call.
pub(crate) struct AnswerBody {
    held: VecDeque<Bytes>,
    rest: Option<Incoming>,
    /// Bytes that may still come.
    left: u64,
    bell: Pin<Box<Sleep>>,
    connection: Option<(Connection, Home)>,
}

impl AnswerBody {
    pub(crate) fn new(
        held: VecDeque<Bytes>,
        rest: Option<Incoming>,
        limit: Option<u64>,
        bell: Pin<Box<Sleep>>,
        connection: Option<(Connection, Home)>,
    ) -> Self {
        let mut body = Self { held, rest, left: limit.unwrap_or(u64::MAX), bell, connection };
        body.settle();
        body
    }

    /// Lets the connection go home once nothing more comes on it. Readers may stop before they are told of the end
    /// when they can see it coming, so this is not left to the last poll.
    fn settle(&mut self) {
        if self.rest.as_ref().is_none_or(HttpBody::is_end_stream) {
            self.rest = None;
            if let Some((connection, home)) = self.connection.take() {
                home.put(connection);
            }
        }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.rest = None;
        self.connection = None;
        Poll::Ready(Some(Err(fault)))
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(bytes) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        loop {
            let Some(rest) = self.rest.as_mut() else { return Poll::Ready(None) };
            let polled = Pin::new(rest).poll_frame(context);
            // The bell comes after the bytes that are here, but before those that are not.
            if !matches!(polled, Poll::Ready(None)) && self.bell.as_mut().poll(context).is_ready() {
                return self.fail(Fault::timeout());
            }
            let data = match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    self.rest = None;
                    self.settle();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(why))) => return self.fail(verdict::of_error(why).fault),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => data,
                    // The contract knows no trailers.
                    Err(_) => continue,
                },
            };
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return self.fail(verdict::body_too_large().fault),
            }
            self.settle();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.iter().map(|bytes| bytes.len() as u64).sum();
        match &self.rest {
            None => SizeHint::with_exact(held),
            // Nothing is held where there is a rest.
            Some(rest) => rest.size_hint(),
        }
    }
}
