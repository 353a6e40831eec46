//! What can go wrong with a request or a call, as its caller is told.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The kinds of failure. HTTP statuses for our own callers are decided in one table in `front`; wires that carry a
/// status turn it into a kind where it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request says something that cannot be right.
    Invalid,
    /// It carries no proof of who sends it, or none that holds.
    Unauthorized,
    /// Whoever sends it may not do this.
    Forbidden,
    /// What it names does not exist.
    NotFound,
    /// It collides with what exists.
    Conflict,
    /// Its body or headers are larger than the operator allows.
    TooLarge,
    /// The function needs more than the whole runner has.
    CannotAllocate,
    /// The image may not or cannot be run.
    ImageRefused,
    /// The image could not be had.
    PullFailed,
    /// The image did not arrive in time.
    PullTimeout,
    /// Its sender has used up what it may use; trying later may help.
    TooMany,
    /// No room before the deadline; trying later may help.
    Busy,
    /// The caller went away.
    Cancelled,
    /// Detached calls are not offered.
    DetachRefused,
    /// The container ended before it listened.
    InitFailed,
    /// The container did not listen in time.
    InitTimeout,
    /// The function answered wrongly, or not at all.
    FunctionFailed,
    /// The function took longer than its timeout.
    Timeout,
    /// The runner was lost after the call had started on it.
    RunnerLost,
    /// A party that is needed is away (API node, node pool manager, engine); trying later may help.
    Unavailable,
    /// A status from another node that has no kind of its own here.
    Foreign(u16),
    /// We failed.
    Internal,
}

/// Whose doing a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The caller's, or the function's author's.
    User,
    /// The platform's.
    Service,
}

/// A failure: its kind, a public message, and (for logs only) what caused it.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What went wrong.
    pub kind: Kind,
    /// What the caller is told.
    pub message: Cow<'static, str>,
    /// Whose doing it is.
    pub blame: Blame,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A failure that is the platform's doing.
    pub fn service(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), blame: Blame::Service, source: None }
    }
    /// A failure that is the caller's or the function's doing.
    pub fn user(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), blame: Blame::User, source: None }
    }
    /// The caller is told no more than that we failed; the cause is for the logs.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::service(Kind::Internal, "internal server error").caused_by(source)
    }
    /// The same fault with its cause, for logs.
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }
    /// No runner had room before the deadline.
    pub fn busy() -> Self {
        Self::service(Kind::Busy, "Timed out - server too busy")
    }
    /// The caller went away.
    pub fn cancelled() -> Self {
        Self::service(Kind::Cancelled, "Client cancelled context")
    }
    /// The function took longer than its timeout.
    pub fn timeout() -> Self {
        Self::user(Kind::Timeout, "Timed out")
    }
    /// What an invalid request is told.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::user(Kind::Invalid, message)
    }
    /// What a request without a valid token is told: always the same, so that it teaches nothing.
    pub fn unauthorized() -> Self {
        Self::user(Kind::Unauthorized, "Unauthorized")
    }
    /// What a request is told whose sender may not do this: always the same, so that it teaches nothing about what it
    /// named. [`Fault::user`] makes one that explains itself, where what it says is the sender's own to know.
    pub fn forbidden() -> Self {
        Self::user(Kind::Forbidden, "Forbidden")
    }
    /// What a request for nothing that exists is told.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::user(Kind::NotFound, message)
    }
    /// The message and the chain of causes, for logs: `message: cause: cause`.
    pub fn chain(&self) -> String {
        let mut text = self.message.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
