//! Which runners a group has, and how much it wants: both directions between load balancers and the node pool
//! manager, the same traits on both ends of that wire.

use super::Executor;
use crate::{Fault, GroupDemand, GroupId, LbId, RunnerAddress};
use async_trait::async_trait;
use std::sync::Arc;

/// Knows a group's runners.
#[async_trait]
pub trait Membership: Send + Sync + 'static {
    /// The runners that may be given calls of this group now. A fault says that nobody knows: what was known stays.
    async fn members(&self, group: &GroupId) -> Result<Vec<RunnerAddress>, Fault>;
}

/// Takes what load balancers want.
#[async_trait]
pub trait DemandSink: Send + Sync + 'static {
    /// One load balancer's demand for all groups it has calls of; replaces what it said before. A group that has
    /// just become idle is named once more with zero.
    async fn advertise(&self, lb: &LbId, demand: Vec<GroupDemand>) -> Result<(), Fault>;
}

/// Opens clients of runners.
pub trait Connector: Send + Sync + 'static {
    /// A client of the runner at `address`. It connects when first used, and reconnects by itself; dropping it closes
    /// the connection once its calls have ended.
    fn connect(&self, address: &RunnerAddress) -> Arc<dyn Executor>;
}
