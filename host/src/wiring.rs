//! Builds each kind of node from its configuration, and runs it until it is told to stop.

mod api;
mod full;
mod http;
mod lb;
mod listen;
mod npm;
mod parts;
mod runner;

pub(crate) use api::open_existing_store;
pub use npm::fnnpm;

use crate::Failure;
use crate::config::{Fnserver, HttpCertFiles, Role};
use crate::env::Common;
use remuda_front::Extensions;
use tokio_util::sync::CancellationToken;

/// What every kind of `fnserver` has.
pub(crate) struct Shell {
    pub(crate) common: Common,
    pub(crate) https: Option<HttpCertFiles>,
}

/// Runs an `fnserver` until `shutdown`; then finishes the calls in hand, within the configured grace. `extensions` are
/// those of a binary of one's own.
pub async fn fnserver(
    config: Fnserver,
    extensions: Extensions,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let Fnserver { common, https, role, warnings: _ } = config;
    let shell = Shell { common, https };
    match role {
        Role::Full(node) => full::run(&shell, &node, extensions, shutdown).await,
        Role::Api(node) => api::run(&shell, &node, extensions, shutdown).await,
        Role::LoadBalancer(node) => lb::run(&shell, &node, extensions, shutdown).await,
        Role::PureRunner(node) => runner::run(&shell, &node, extensions, shutdown).await,
    }
}
