//! Builds each kind of node from its configuration, and runs it until it is told to stop.

mod api;
mod full;
mod http;
mod lb;
mod listen;
mod npm;
mod parts;
mod runner;

pub use npm::fnnpm;

use crate::Failure;
use crate::config::{Fnserver, Role};
use tokio_util::sync::CancellationToken;

/// Runs an `fnserver` until `shutdown`; then finishes the calls in hand, within the configured grace.
pub async fn fnserver(config: Fnserver, shutdown: CancellationToken) -> Result<(), Failure> {
    let Fnserver { common, role, warnings: _ } = config;
    match role {
        Role::Full(node) => full::run(&common, &node, shutdown).await,
        Role::Api(node) => api::run(&common, &node, shutdown).await,
        Role::LoadBalancer(node) => lb::run(&common, &node, shutdown).await,
        Role::PureRunner(node) => runner::run(&common, &node, shutdown).await,
    }
}
