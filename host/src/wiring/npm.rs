//! A node pool manager: a control-plane plugin, the room that decides, and the pool protocol.

use crate::config::{Fnnpm, PendingWarnings};
use crate::wiring::{listen::listen, parts};
use crate::{Failure, Ready, VERSION};
use remuda_core::port::ControlPlane;
use remuda_npm::NodePool;
use remuda_wire::{PoolService, serve_grpc, tls};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
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
    // The port first: a plugin that has begun its work for nothing would have to be stopped again.
    let (listener, address) = listen(&config.common, config.common.port, "FN_PORT").await?;
    let options = remuda_loader::Options {
        environment: config.environment.clone(),
        insecure: config.npm.plugin_insecure,
        call_deadline: PLUGIN_CALL,
        start_deadline: PLUGIN_START,
    };
    let plugin = tokio::select! {
        loaded = remuda_loader::load_control_plane(&path, options) => loaded.map_err(unusable)?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let control_plane = plugin.control_plane.clone();
    tracing::info!(
        plugin.name = plugin.name, version = plugin.version, path = %plugin.path.display(),
        "control plane loaded"
    );
    let served = serve(&config, listener, address, &identity, control_plane.clone(), shutdown).await;
    control_plane.close().await;
    served
}

/// Serves the pool protocol until `shutdown`.
async fn serve(
    config: &Fnnpm,
    listener: TcpListener,
    address: SocketAddr,
    identity: &tls::Identity,
    control_plane: Arc<dyn ControlPlane>,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let pool = NodePool::new(remuda_npm::Options::default(), control_plane);
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
    ready
        .announce(config.common.ready_file.as_ref().map(|file| file.0.as_path()))
        .map_err(Failure::to("write FN_READY_FILE"))?;
    let grace = config.common.shutdown_grace.0;
    tokio::select! {
        () = running => {}
        () = parts::past(&shutdown, grace) => tracing::warn!("some peers did not close their connections in time"),
    }
    Ok(())
}
