//! One HTTP/2 connection to one peer: opened when first used, shared by all callers, opened again when it is lost.
//!
//! What matters to callers is whether something of theirs may have arrived. A request that could not be handed to a
//! live connection comes back untouched ([`Refused::Unsent`]); after that nobody can know.

mod dial;
mod observed;
mod stream;

use dial::Dialled;
pub(crate) use dial::Tracked;
pub(crate) use observed::{Notes, Observed};
pub(crate) use stream::{Received, Refused};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use h2::client::SendRequest;
use http::{Request, Response};
use http_body::Body;
use remuda_core::Fault;
use rustls::ClientConfig;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// After a failed attempt the next one waits this long; callers meanwhile learn at once that there is no connection.
const HOLD_OFF: Duration = Duration::from_millis(100);

/// What is asked of a fresh connection before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Nothing: the first request shows.
    None,
    /// A runner's status, to learn whether it is one of ours.
    RunnerStatus,
}

/// A live connection.
#[derive(Clone)]
pub(crate) struct Link {
    sender: SendRequest<Bytes>,
    notes: Arc<Notes>,
    announced: Arc<AtomicBool>,
    tasks: TaskTracker,
}

impl Link {
    /// Whether the peer is one of ours.
    pub(crate) fn announced(&self) -> bool {
        self.announced.load(Ordering::Relaxed)
    }

    /// The peer said that it is one of ours. It may not have had the time when the connection opened; that an answer
    /// does not say so means nothing, since failures come without it.
    pub(crate) fn saw_announcement(&self) {
        if !self.announced() {
            self.announced.store(true, Ordering::Relaxed);
        }
    }

    /// Sends a request; resolves with the head of the answer. Dropping the future, or the answer's body before its
    /// end, resets the stream.
    pub(crate) async fn send<B>(&mut self, request: Request<B>) -> Result<Response<Received>, Refused<B>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        stream::send(&mut self.sender, request, &self.tasks).await
    }

    /// What the connection itself saw go wrong, as far as it did; more telling than what streams report.
    pub(crate) fn reason(&self) -> Option<String> {
        self.notes.error()
    }
}

enum State {
    Idle,
    Connecting { attempt: Shared<BoxFuture<'static, Result<Link, Fault>>>, since: Instant },
    Up(Link),
    Down { until: Instant, fault: Fault },
}

struct Inner {
    state: State,
    /// The last failure that was logged at warn, without its numbers, until a connection came about.
    reported: Option<String>,
    /// Whether the peer was one of ours when last seen.
    announced: bool,
}

/// The way to one peer. Dropping it closes the connection once its streams have ended.
pub(crate) struct Connection {
    dial: dial::Dial,
    greeting: Greeting,
    inner: Mutex<Inner>,
}

impl Connection {
    /// `address` is `host:port`; nothing is dialled yet. Connection tasks run under `tasks`.
    pub(crate) fn new(
        address: &str,
        host: &str,
        tls: Option<Arc<ClientConfig>>,
        greeting: Greeting,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            dial: dial::Dial { address: address.to_owned(), host: host.to_owned(), tls, tasks },
            greeting,
            inner: Mutex::new(Inner { state: State::Idle, reported: None, announced: false }),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.dial.address
    }

    /// The live connection, or a new one. The fault says why there is none; it is ready at once for a little while
    /// after an attempt failed.
    pub(crate) async fn acquire(&self) -> Result<Link, Fault> {
        let attempt = {
            let mut inner = self.lock();
            match &inner.state {
                // A connection without pings to a peer that has turned out to be ours is replaced; its calls end on it.
                State::Up(link)
                    if !link.notes.is_over()
                        && !link.notes.is_hung_up()
                        && link.announced() == inner.announced =>
                {
                    return Ok(link.clone());
                }
                State::Down { until, fault } if Instant::now() < *until => return Err(fault.clone()),
                // An attempt that nobody waited for any more may have been left half-way; its deadline is long over.
                State::Connecting { attempt, since } if since.elapsed() < dial::DEADLINE => attempt.clone(),
                State::Idle | State::Connecting { .. } | State::Up(_) | State::Down { .. } => {
                    if let State::Up(link) = &inner.state {
                        inner.announced = link.announced();
                    }
                    let attempt = self.attempt(inner.announced);
                    inner.state = State::Connecting { attempt: attempt.clone(), since: Instant::now() };
                    attempt
                }
            }
        };
        let result = attempt.clone().await;
        self.settle(&attempt, &result);
        result
    }

    /// Gives up the connection, for instance because a deadline passed on it; the next caller opens another.
    pub(crate) fn discard(&self, link: &Link) {
        let mut inner = self.lock();
        if matches!(&inner.state, State::Up(current) if Arc::ptr_eq(&current.notes, &link.notes)) {
            inner.state = State::Idle;
        }
    }

    /// A stream broke. When the connection did, that is recorded and logged, with the reason that the connection
    /// itself saw, and the next caller opens another. Says what is known of the reason.
    pub(crate) fn lost(&self, link: &Link, otherwise: &dyn std::error::Error) -> String {
        let seen = link.reason();
        let broken = seen.is_some() || link.notes.is_over();
        let reason = seen.unwrap_or_else(|| chain(otherwise));
        if broken {
            self.discard(link);
            self.report(&mut self.lock(), &reason);
        }
        reason
    }

    /// How often the peer has sent something on the live connection, if there is one.
    pub(crate) fn heard(&self) -> Option<u64> {
        match &self.lock().state {
            State::Up(link) => Some(link.notes.heard()),
            State::Idle | State::Connecting { .. } | State::Down { .. } => None,
        }
    }

    /// Gives up whatever connection there is, for a reason that goes to the log.
    pub(crate) fn give_up(&self, reason: &str) {
        let mut inner = self.lock();
        inner.state = State::Idle;
        self.report(&mut inner, reason);
    }

    fn attempt(&self, announced: bool) -> Shared<BoxFuture<'static, Result<Link, Fault>>> {
        let (dial, greeting) = (self.dial.clone(), self.greeting);
        async move {
            let Dialled { sender, notes, announced } = dial.run(greeting, announced).await?;
            Ok(Link { sender, notes, announced: Arc::new(AtomicBool::new(announced)), tasks: dial.tasks })
        }
        .boxed()
        .shared()
    }

    /// The first of an attempt's callers to come back records how it ended.
    fn settle(
        &self,
        attempt: &Shared<BoxFuture<'static, Result<Link, Fault>>>,
        result: &Result<Link, Fault>,
    ) {
        let mut inner = self.lock();
        if !matches!(&inner.state, State::Connecting { attempt: current, .. } if current.ptr_eq(attempt)) {
            return;
        }
        match result {
            Ok(link) => {
                inner.announced = link.announced();
                if self.greeting == Greeting::RunnerStatus && inner.reported.take().is_some() {
                    tracing::info!(peer = %self.address(), "peer is reached again");
                }
                inner.state = State::Up(link.clone());
            }
            Err(fault) => {
                self.report(&mut inner, &fault.chain());
                inner.state = State::Down { until: Instant::now() + HOLD_OFF, fault: fault.clone() };
            }
        }
    }

    /// One warning for each reason in a row: callers may try many times a second.
    fn report(&self, inner: &mut Inner, reason: &str) {
        let kind = without_numbers(reason);
        if inner.reported.as_ref() == Some(&kind) {
            tracing::debug!(peer = %self.address(), error = %reason, "peer cannot be reached");
        } else {
            tracing::warn!(peer = %self.address(), error = %reason, "peer cannot be reached");
            inner.reported = Some(kind);
        }
    }

    /// A request was answered: the next failure is news.
    pub(crate) fn answered(&self) {
        let mut inner = self.lock();
        if inner.reported.take().is_some() {
            tracing::info!(peer = %self.address(), "peer is reached again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What two reasons have in common that differ in a time or a count only.
pub(crate) fn without_numbers(reason: &str) -> String {
    reason.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// An error with its causes, for logs.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Whether the peer said that it did not process the stream: it refused it, or it was closing and the stream was
/// beyond the last one that it took. Such a request is as good as never sent (RFC 9113, 8.7).
pub(crate) fn unprocessed(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(at) = next {
        if let Some(h2) = at.downcast_ref::<h2::Error>() {
            let refused = h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            let closing = h2.is_go_away() && h2.is_remote() && h2.reason() == Some(h2::Reason::NO_ERROR);
            return refused || closing;
        }
        next = at.source();
    }
    false
}
