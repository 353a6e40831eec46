//! Runners that never change.

use async_trait::async_trait;
use remuda_core::port::Membership;
use remuda_core::{Fault, GroupId, RunnerAddress};

/// The same runners for every group, as `FN_RUNNER_ADDRESSES` of a load balancer without a manager means it.
#[derive(Clone, Debug)]
pub struct StaticMembership(Vec<RunnerAddress>);

impl StaticMembership {
    /// These runners, in this order.
    pub fn new(runners: Vec<RunnerAddress>) -> Self {
        Self(runners)
    }
}

#[async_trait]
impl Membership for StaticMembership {
    async fn members(&self, _group: &GroupId) -> Result<Vec<RunnerAddress>, Fault> {
        Ok(self.0.clone())
    }
}
