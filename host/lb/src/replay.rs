//! A request's body that can be offered to one runner after the other.
//!
//! What an attempt has read is kept, without copying, up to a bound, and read again by the next attempt. At the bound
//! an attempt waits until its runner has taken the call, and then reads on; only from there on nothing is kept. So a
//! small body stays whole until a runner answers: that a runner has taken a call may be no more than presumed, and one
//! that refuses it after all has started nothing.

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use remuda_core::port::Taken;
use remuda_core::{Body, Fault};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::sync::Notify;

/// The body of one call.
pub(crate) struct Replay(Option<Arc<Shared>>);

struct Shared {
    state: Mutex<State>,
    limit: usize,
    /// The caller's bytes ended with a fault.
    failed: Notify,
}

struct State {
    source: Body,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// The next kept piece that the newest attempt gives; past the kept ones, the caller's bytes follow.
    position: usize,
    end: Option<End>,
    /// The newest attempt's runner has taken the call, or is presumed to have.
    taken: bool,
    /// Nothing is kept any more: the call cannot move on.
    released: bool,
    /// Only the newest attempt may read on.
    attempt: u64,
    /// The attempt that waits at the bound.
    paused: Option<Waker>,
}

/// How the caller's bytes ended.
#[derive(Clone)]
enum End {
    Complete(Option<HeaderMap>),
    Failed(Fault),
}

impl Replay {
    /// Keeps up to `limit` bytes of `source`, and the rest of the piece that reached the limit.
    pub(crate) fn new(source: Body, limit: usize) -> Self {
        if source.is_end_stream() {
            return Self(None);
        }
        let state = State {
            source,
            kept: Vec::new(),
            kept_bytes: 0,
            position: 0,
            end: None,
            taken: false,
            released: false,
            attempt: 0,
            paused: None,
        };
        Self(Some(Arc::new(Shared { state: Mutex::new(state), limit, failed: Notify::new() })))
    }

    /// The body and the signal for one more attempt; the bodies of attempts before it end with a fault. `None` once
    /// bytes of the call are gone.
    pub(crate) fn attempt(&self) -> Option<(Body, Taken)> {
        let Some(shared) = &self.0 else {
            return Some((remuda_core::call::empty(), Taken::ignored()));
        };
        let mut state = shared.state();
        if state.released {
            return None;
        }
        state.taken = false;
        state.attempt += 1;
        state.position = 0;
        let attempt = state.attempt;
        let paused = state.paused.take();
        drop(state);
        if let Some(waker) = paused {
            waker.wake();
        }
        let body = ReplayBody { shared: Arc::clone(shared), attempt, ended: false };
        let signalled = Arc::clone(shared);
        Some((body.boxed_unsync(), Taken::new(move || signalled.take(attempt))))
    }

    /// Says that the newest attempt has the call for good: nothing is kept from now on.
    pub(crate) fn release(&self) {
        if let Some(shared) = &self.0 {
            let mut state = shared.state();
            state.release();
            let paused = state.paused.take();
            drop(state);
            if let Some(waker) = paused {
                waker.wake();
            }
        }
    }

    /// Why the caller's bytes ended early, if they did.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let shared = self.0.as_ref()?;
        match &shared.state().end {
            Some(End::Failed(fault)) => Some(fault.clone()),
            Some(End::Complete(_)) | None => None,
        }
    }

    /// Resolves with the fault once the caller's bytes have ended early; else never.
    pub(crate) async fn failed(&self) -> Fault {
        match &self.0 {
            None => std::future::pending().await,
            Some(shared) => loop {
                if let Some(fault) = self.fault() {
                    return fault;
                }
                // One who waits, and a stored permit: no signal is lost between the look and the wait.
                shared.failed.notified().await;
            },
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, attempt: u64) {
        let mut state = self.state();
        if state.attempt != attempt {
            return;
        }
        state.taken = true;
        let paused = state.paused.take();
        drop(state);
        if let Some(waker) = paused {
            waker.wake();
        }
    }
}

impl State {
    /// Lets go of what the newest attempt was given; what it was not given yet goes piece by piece.
    fn release(&mut self) {
        if !self.released {
            self.released = true;
            drop(self.kept.drain(..self.position.min(self.kept.len())));
            self.position = 0;
        }
    }

    /// The next kept piece of the newest attempt, if there is one.
    fn kept_piece(&mut self) -> Option<Bytes> {
        let data = self.kept.get_mut(self.position)?;
        // Once released, nobody reads this piece again.
        let data = if self.released { std::mem::take(data) } else { data.clone() };
        self.position += 1;
        if self.released && self.position == self.kept.len() {
            self.kept = Vec::new();
            self.position = 0;
        }
        Some(data)
    }

    /// The next piece of the caller's bytes; kept up to the bound. `None` at their end.
    fn read_on(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<Option<Bytes>> {
        loop {
            if self.end.is_some() {
                return Poll::Ready(None);
            }
            if !self.released && self.kept_bytes >= limit && !self.source.is_end_stream() {
                if !self.taken {
                    self.paused = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                self.release();
            }
            let frame = match ready!(Pin::new(&mut self.source).poll_frame(cx)) {
                None => {
                    self.end = Some(End::Complete(None));
                    continue;
                }
                Some(Err(fault)) => {
                    self.end = Some(End::Failed(fault));
                    continue;
                }
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    if !self.released {
                        self.kept_bytes = self.kept_bytes.saturating_add(data.len());
                        self.kept.push(data.clone());
                        self.position = self.kept.len();
                    }
                    return Poll::Ready(Some(data));
                }
                Err(frame) => {
                    self.end = frame.into_trailers().ok().map(|trailers| End::Complete(Some(trailers)))
                }
            }
        }
    }
}

/// The body of one attempt.
struct ReplayBody {
    shared: Arc<Shared>,
    attempt: u64,
    ended: bool,
}

impl http_body::Body for ReplayBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.attempt != self.attempt {
            self.ended = true;
            return Poll::Ready(Some(Err(Fault::cancelled())));
        }
        if let Some(data) = state.kept_piece() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(data) = ready!(state.read_on(cx, shared.limit)) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        self.ended = true;
        match &state.end {
            Some(End::Failed(fault)) => {
                let fault = fault.clone();
                drop(state);
                shared.failed.notify_one();
                Poll::Ready(Some(Err(fault)))
            }
            Some(End::Complete(Some(trailers))) => Poll::Ready(Some(Ok(Frame::trailers(trailers.clone())))),
            Some(End::Complete(None)) | None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        if self.ended {
            return true;
        }
        let state = self.shared.state();
        let nothing_follows = match &state.end {
            Some(End::Complete(trailers)) => trailers.is_none(),
            Some(End::Failed(_)) => false,
            None => state.source.is_end_stream(),
        };
        nothing_follows && state.position >= state.kept.len() && state.attempt == self.attempt
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended {
            return SizeHint::with_exact(0);
        }
        let state = self.shared.state();
        let kept: usize = state.kept.iter().skip(state.position).map(Bytes::len).sum();
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let rest = match &state.end {
            Some(_) => SizeHint::with_exact(0),
            None => state.source.size_hint(),
        };
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint.set_lower(rest.lower().saturating_add(kept));
        hint
    }
}

#[cfg(test)]
mod tests;
