//! A node pool manager: a control-plane plugin, the room that decides, and the pool protocol.

use crate::config::{Fnnpm, PendingWarnings};
use crate::wiring::{listen::listen, parts};
use crate::{Failure, Ready, VERSION};
use remuda_npm::NodePool;
use remuda_wire::{PoolService, serve_grpc};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a plugin's constructor may take.
const PLUGIN_START: Duration = Duration::from_secs(30);
/// What one call of a plugin may take.
const PLUGIN_CALL: Duration = Duration::from_secs(60);

/// Runs an `fnnpm` until `shutdown`.
pub async fn fnnpm(
    config: Fnnpm,
    warnings: PendingWarnings,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let unusable = |error: remuda_loader::LoadError| Failure::Unusable(error.to_string());
    let path = remuda_loader::find(&config.control_plane, Path::new("."), config.npm.plugin_dir.as_deref())
        .map_err(unusable)?;
    let identity = parts::identity(&config.certs)?;
    // Known before any code of the plugin runs, so that a misspelt variable is warned about even if it then refuses.
    let manifest = remuda_loader::inspect(&path).map_err(unusable)?;
    let declared: Vec<String> = manifest.variables.iter().map(|variable| variable.name.clone()).collect();
    warnings.resolve(&declared).iter().for_each(|warning| tracing::warn!("{warning}"));
    let options = remuda_loader::Options {
        environment: config.environment.clone(),
        insecure: config.npm.plugin_insecure,
        call_deadline: PLUGIN_CALL,
        start_deadline: PLUGIN_START,
    };
    let plugin = remuda_loader::load_control_plane(&path, options).await.map_err(unusable)?;
    tracing::info!(plugin.name = plugin.name, version = plugin.version, path = %plugin.path.display(), "control plane loaded");

    let (listener, address) = listen(&config.common, config.common.port, "FN_PORT").await?;
    let pool = NodePool::new(remuda_npm::Options::default(), plugin.control_plane.clone());
    let service = PoolService::new(pool.membership(), pool.demand_sink());
    let ready = Ready {
        node_type: "npm".into(),
        pid: std::process::id(),
        version: VERSION,
        http: None,
        grpc: Some(address),
    };
    let stop = CancellationToken::new();
    let running = async {
        tokio::join!(
            async {
                serve_grpc(listener, Some(identity.server_config()), service, shutdown.clone()).await;
                stop.cancel();
            },
            pool.run(stop.clone()),
        );
    };
    ready.announce(config.common.ready_file.as_deref()).map_err(Failure::to("write FN_READY_FILE"))?;
    let grace = config.common.shutdown_grace.0;
    tokio::select! {
        () = running => {}
        () = parts::past(&shutdown, grace) => tracing::warn!("some peers did not close their connections in time"),
    }
    plugin.control_plane.close().await;
    Ok(())
}
