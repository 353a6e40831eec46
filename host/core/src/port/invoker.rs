//! Who sees a call through.

use crate::{Answer, Body, Call, Fault};
use async_trait::async_trait;
use std::sync::Arc;

/// Takes a call from the front door to its answer: a load balancer by placing it on a runner, a full node by running
/// it itself. Dropping the future, or the answer's body, cancels the call.
#[async_trait]
pub trait Invoker: Send + Sync + 'static {
    /// Runs the call. A fault is what its caller is told.
    async fn invoke(&self, call: Arc<Call>, body: Body) -> Result<Answer, Fault>;
}
