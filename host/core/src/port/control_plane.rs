//! Who makes and removes runners.

use crate::{Fault, GroupId, PoolRunner};
use async_trait::async_trait;

/// The node pool manager's view of a control-plane plugin. Every method has a deadline inside the implementation; a
/// panic, a hang or a refusal of the plugin is a fault of that call and nothing more.
#[async_trait]
pub trait ControlPlane: Send + Sync + 'static {
    /// The runners of a group, as they are now: the only truth about the pool.
    async fn runners(&self, group: &GroupId) -> Result<Vec<PoolRunner>, Fault>;
    /// Asks for `count` more runners; says how many were begun. They count once [`ControlPlane::runners`] lists them.
    async fn provision(&self, group: &GroupId, count: u32) -> Result<u32, Fault>;
    /// Removes one runner; one that is already gone is no fault.
    async fn remove(&self, group: &GroupId, runner: &str) -> Result<(), Fault>;
    /// Ends the plugin's work, within a short grace.
    async fn close(&self);
}
