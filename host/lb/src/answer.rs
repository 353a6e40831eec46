//! An answer on its way to the caller.

use crate::call_guard::CallGuard;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use remuda_core::{Answer, Body, Fault};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The answer, holding on to `guard` until its body has ended or is dropped.
pub(crate) fn guarded(mut answer: Answer, guard: CallGuard) -> Answer {
    if !answer.body.is_end_stream() {
        answer.body = GuardedBody { inner: answer.body, guard: Some(guard) }.boxed_unsync();
    }
    answer
}

struct GuardedBody {
    inner: Body,
    guard: Option<CallGuard>,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.guard = None;
        }
        Poll::Ready(frame)
    }
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
