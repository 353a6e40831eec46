//! A pure runner: containers behind the runner protocol.

use crate::config::RunnerNode;
use crate::env::Common;
use crate::wiring::Shell;
use crate::wiring::http::{Behind, HttpSide};
use crate::wiring::listen::listen;
use crate::wiring::parts::{self, Machinery};
use crate::{Failure, Ready, VERSION};
use remuda_core::GroupId;
use remuda_front::Extensions;
use remuda_runner::Options;
use remuda_wire::{RunnerService, serve_grpc};
use tokio_util::sync::CancellationToken;

pub(super) async fn run(
    shell: &Shell,
    node: &RunnerNode,
    extensions: Extensions,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let Shell { common, https } = shell;
    let http = HttpSide::bind(common, https.as_ref(), None, None).await?;
    let (listener, grpc) = listen(common, node.runner.grpc_port, "FN_GRPC_PORT").await?;
    let identity = node.certs.as_ref().map(parts::identity).transpose()?;
    if identity.is_none() {
        tracing::warn!("no FN_NODE_CERT: the runner protocol is served in clear, to anyone who can reach it");
    }
    let ids = parts::ids();
    let adjust = |options| Options {
        group: node.runner.group.clone().map(GroupId::new),
        refuse_when_full: node.container.refuse_when_full.unwrap_or(true),
        ..options
    };
    let machinery = Machinery::start(&node.container, &node.agent, ids.clone(), adjust).await?;
    announce(common, &http, grpc)?;

    let service = RunnerService::new(machinery.runner.clone());
    let grace = common.shutdown_grace.0;
    let stop = CancellationToken::new();
    // A draining runner refuses what is still offered on open connections, and ends once its calls have.
    let closing = async {
        shutdown.cancelled().await;
        machinery.close(grace).await;
        stop.cancel();
    };
    let protocol = async {
        tokio::select! {
            () = serve_grpc(listener, identity.map(|i| i.server_config()), service, shutdown.clone()) => {}
            () = parts::past(&shutdown, grace) => {}
        }
    };
    let behind = Behind::nothing(ids, extensions);
    let (served, (), (), ()) = tokio::join!(
        http.serve(behind, shutdown.clone()),
        protocol,
        closing,
        machinery.runner.run(stop.clone()),
    );
    served
}

fn announce(common: &Common, http: &HttpSide, grpc: std::net::SocketAddr) -> Result<(), Failure> {
    let ready = Ready {
        node_type: "pure-runner".to_owned(),
        pid: std::process::id(),
        version: VERSION,
        http: Some(http.address),
        grpc: Some(grpc),
    };
    ready
        .announce(common.ready_file.as_ref().map(|file| file.0.as_path()))
        .map_err(Failure::to("write FN_READY_FILE"))
}
