//! Who runs a call: the same trait on both ends of the wire between a load balancer and a runner.

use crate::{Answer, Body, Call, Fault};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// A call on offer.
pub struct Offer {
    /// The call.
    pub call: Arc<Call>,
    /// The caller's bytes.
    pub body: Body,
    /// To be told once the call is the executor's own.
    pub taken: Taken,
}

/// A signal that the call is the executor's own now: a caller that holds back the rest of its body lets it flow on. Only a
/// `Busy` or `NeverArrived` after it may still move the call on, if its bytes are still there.
#[derive(Clone, Default)]
pub struct Taken(Option<Arc<dyn Fn() + Send + Sync>>);

impl Taken {
    /// Calls `then` each time it is signalled.
    pub fn new(then: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(then)))
    }
    /// Nobody wants to know.
    pub fn ignored() -> Self {
        Self(None)
    }
    /// Says that the call is taken; may be said more than once.
    pub fn signal(&self) {
        if let Some(then) = &self.0 {
            then();
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken")
    }
}

/// How an offer ended. Only `Busy` and `NeverArrived` may move the call on to another executor.
#[derive(Debug)]
pub enum Outcome {
    /// The function answers.
    Answered(Answer),
    /// No room here now; nothing was started.
    Busy,
    /// The executor could not be reached; nothing of the call arrived there.
    NeverArrived(Fault),
}

/// Runs calls. A runner implements it, `wire` serves that and implements it again for a distant runner, and a load
/// balancer uses it. A fault is final: the call may have started. Dropping the future, or the answer's body, cancels
/// the call.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// Offers a call.
    async fn execute(&self, offer: Offer) -> Result<Outcome, Fault>;
}
