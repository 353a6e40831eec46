//! An invoker that answers as a test says.

use crate::port::Invoker;
use crate::{Answer, Body, Call, Fault};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};

type Respond = dyn Fn(Arc<Call>, Body) -> BoxFuture<'static, Result<Answer, Fault>> + Send + Sync;

/// Answers each call with what a closure makes of it, and remembers the calls.
pub struct FakeInvoker {
    respond: Box<Respond>,
    calls: Mutex<Vec<Arc<Call>>>,
}

impl FakeInvoker {
    /// Answers with `respond`.
    pub fn new<F>(respond: impl Fn(Arc<Call>, Body) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Answer, Fault>> + Send + 'static,
    {
        Self { respond: Box::new(move |call, body| Box::pin(respond(call, body))), calls: Mutex::default() }
    }

    /// The calls so far, oldest first.
    pub fn calls(&self) -> Vec<Arc<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for FakeInvoker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeInvoker").field("calls", &self.calls().len()).finish()
    }
}

#[async_trait]
impl Invoker for FakeInvoker {
    async fn invoke(&self, call: Arc<Call>, body: Body) -> Result<Answer, Fault> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&call));
        (self.respond)(call, body).await
    }
}
