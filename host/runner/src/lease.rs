//! An instance on loan to one call: it comes back exactly once, however the call ends.

use crate::machine::{Event, InstanceNo};
use crate::service::{Active, Shared};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use remuda_core::port::Instance;
use remuda_core::{Body, Fault};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Holds an instance; dropped without [`Lease::finish`], the instance is not used again.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    no: InstanceNo,
    instance: Arc<dyn Instance>,
    returned: bool,
    /// Counts the call as in hand until the lease ends.
    pub(crate) active: Option<Active>,
}

impl Lease {
    pub(crate) fn new(shared: Arc<Shared>, no: InstanceNo, instance: Arc<dyn Instance>) -> Self {
        Self { shared, no, instance, returned: false, active: None }
    }

    pub(crate) fn instance(&self) -> &Arc<dyn Instance> {
        &self.instance
    }

    /// Gives the instance back.
    pub(crate) fn finish(mut self, reusable: bool) {
        self.give_back(reusable);
    }

    fn give_back(&mut self, reusable: bool) {
        if !std::mem::replace(&mut self.returned, true) {
            self.shared.report(Event::Finished { instance: self.no, reusable });
            self.active = None;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back(false);
    }
}

/// An answer's body that gives its instance back when it ends: for further use when it ended well.
pub(crate) struct LeasedBody {
    body: Body,
    lease: Option<Lease>,
}

impl LeasedBody {
    pub(crate) fn wrap(body: Body, lease: Lease) -> Body {
        let mut leased = Self { body, lease: Some(lease) };
        if leased.body.is_end_stream() {
            leased.end(true);
        }
        leased.boxed_unsync()
    }

    fn end(&mut self, reusable: bool) {
        if let Some(lease) = self.lease.take() {
            lease.finish(reusable);
        }
    }
}

impl http_body::Body for LeasedBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => self.end(true),
            Poll::Ready(Some(Err(_))) => self.end(false),
            // A reader that trusts `is_end_stream` never asks for the frame after the last.
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.end(true),
            Poll::Ready(Some(Ok(_))) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
