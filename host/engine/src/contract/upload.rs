//! The caller's bytes on their way to the function.

use crate::contract::connection::Activity;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use remuda_core::{Body, Fault};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A request's body as the contract wants it: never of a known length, so that it is always chunked, also when there
/// is nothing in it. Tells its connection once all of it has gone.
pub(crate) struct Upload {
    body: Body,
    started: bool,
    activity: Option<Arc<Activity>>,
}

impl Upload {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, started: false, activity: None }
    }

    /// Says which connection carries it.
    pub(crate) fn carried_by(&mut self, activity: Arc<Activity>) {
        self.activity = Some(activity);
    }

    fn ended(&self) {
        if let Some(activity) = &self.activity {
            activity.uploaded();
        }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.started = true;
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                None => {
                    self.ended();
                    return Poll::Ready(None);
                }
            };
            // A caller's trailers are its connection's affair.
            if frame.is_data() {
                if self.body.is_end_stream() {
                    self.ended();
                }
                return Poll::Ready(Some(Ok(frame)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.started && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
