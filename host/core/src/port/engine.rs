//! What runs containers, and speaks to the function inside one.

use crate::{Answer, Body, Call, Fault, Target};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What one container is made of.
#[derive(Clone, Debug)]
pub struct InstanceSpec {
    /// The container's name; unique.
    pub id: String,
    /// The function it serves.
    pub target: Arc<Target>,
    /// From the container's start until its socket must have appeared.
    pub start_timeout: Duration,
}

/// One call as an instance is given it.
pub struct FunctionRequest {
    /// Whose headers the function sees.
    pub call: Arc<Call>,
    /// The caller's bytes, streamed.
    pub body: Body,
    /// When the call must have ended; the function is told, and the instance gives up with `Kind::Timeout` then
    /// (also while the answer's body is still on its way).
    pub deadline: SystemTime,
}

/// A call that failed in the container.
#[derive(Debug)]
pub struct CallFault {
    /// What the caller is told.
    pub fault: Fault,
    /// True when the instance must not be used again.
    pub fatal: bool,
}

/// A container runtime. Every method has a deadline inside the implementation.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Makes sure that an image is here: pulls it when absent (concurrent pulls of one image are merged), and refuses
    /// one that may not run.
    async fn prepare_image(&self, image: &str) -> Result<(), Fault>;
    /// Starts a container and waits until its function listens. On a fault, and when dropped half-way, nothing is
    /// left behind.
    async fn start(&self, spec: InstanceSpec) -> Result<Arc<dyn Instance>, Fault>;
    /// Removes what an earlier life of this node left behind; returns how many containers that were.
    async fn sweep(&self) -> Result<u32, Fault>;
}

/// A running container whose function listens.
#[async_trait]
pub trait Instance: Send + Sync + 'static {
    /// The container's name.
    fn id(&self) -> &str;
    /// Whether the function still listens, within a tenth of a second. Asked before each call, because one that has ended
    /// since its last answer must cost the next caller nothing: nothing of a call has been sent yet.
    async fn listens(&self) -> bool;
    /// One call; never two at a time. The answer's body ends with an error when the function fails half-way, and an
    /// instance whose answer was not read to its end must be removed.
    async fn call(&self, request: FunctionRequest) -> Result<Answer, CallFault>;
    /// Resolves once the container's process has ended, with the reason for the logs.
    async fn exited(&self) -> String;
    /// Kills and removes the container with all that belongs to it. Removing twice is no fault.
    async fn remove(&self);
}
