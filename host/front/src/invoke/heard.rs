//! Tells listeners how a call ended: once, however it did.

use super::edge;
use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use remuda_core::port::{CallEnd, CallListener};
use remuda_core::{Answer, Call, Fault};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A call that listeners will hear the end of. Dropped before its end was told, its caller went away.
pub(super) struct Hearing {
    listeners: Arc<[Arc<dyn CallListener>]>,
    call: Arc<Call>,
    began: Instant,
    status: Option<StatusCode>,
    bytes: u64,
    told: bool,
}

impl Hearing {
    /// For a call that every listener has let pass.
    pub(super) fn new(listeners: Arc<[Arc<dyn CallListener>]>, call: Arc<Call>, began: Instant) -> Self {
        Self { listeners, call, began, status: None, bytes: 0, told: false }
    }

    /// The function answers.
    pub(super) fn answered(&mut self, answer: &Answer) {
        let said = edge::said_status(&answer.headers).and_then(|code| u16::try_from(code).ok());
        self.status = said.and_then(|code| StatusCode::from_u16(code).ok()).or(Some(StatusCode::OK));
    }

    /// The call failed.
    pub(super) fn failed(mut self, fault: Fault) {
        self.tell(Some(fault));
    }

    fn tell(&mut self, fault: Option<Fault>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let end = CallEnd { status: self.status, fault, duration: self.began.elapsed(), bytes: self.bytes };
        for listener in &*self.listeners {
            listener.after_call(&self.call, &end);
        }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.tell(Some(Fault::cancelled()));
    }
}

/// The body of an answer, whose end is the call's.
pub(super) fn heard_through(body: Body, hearing: Hearing) -> Body {
    Body::new(Heard { body, hearing })
}

struct Heard {
    body: Body,
    hearing: Hearing,
}

impl Heard {
    /// Whether all bytes have passed. A body whose length is known is not always asked whether there are more.
    fn is_over(&self) -> bool {
        self.body.is_end_stream() || self.body.size_hint().exact() == Some(0)
    }
}

impl HttpBody for Heard {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                self.hearing.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            Some(Err(error)) => {
                let fault = error.source().and_then(|cause| cause.downcast_ref::<Fault>()).cloned();
                self.hearing.tell(Some(fault.unwrap_or_else(|| Fault::internal(error.to_string()))));
            }
            None => self.hearing.tell(None),
        }
        Poll::Ready(frame)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if self.is_over() {
            self.hearing.tell(None);
        }
    }
}
