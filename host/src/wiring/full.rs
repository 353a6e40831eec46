//! A full node: the API, the front door and a runner in one process, with the wire left out.

use crate::Failure;
use crate::config::FullNode;
use crate::wiring::http::{Behind, HttpSide};
use crate::wiring::parts::{self, LocalInvoker, Machinery};
use crate::wiring::{Shell, api};
use remuda_front::{Extensions, Invoking};
use remuda_runner::Options;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(
    shell: &Shell,
    node: &FullNode,
    extensions: Extensions,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let Shell { common, https } = shell;
    let http = HttpSide::bind(common, https.as_ref(), Some(&node.http), Some(&node.agent)).await?;
    let ids = parts::ids();
    let store = Arc::new(api::open_store(&node.api).await?);
    let refuse_when_full = node.container.refuse_when_full.unwrap_or(false);
    let adjust = |options| Options { refuse_when_full, ..options };
    let machinery = Machinery::start(&node.container, &node.agent, ids.clone(), adjust).await?;
    api::announce(common, "full", &http)?;

    let known = api::remember(&store);
    let invoking =
        Invoking { definitions: known.clone(), invoker: Arc::new(LocalInvoker(machinery.runner.clone())) };
    let behind = Behind {
        management: Some(api::management(&store)),
        invoking: Some(invoking),
        access: api::access(&node.http, known.clone()),
        ids,
        extensions,
    };
    let stop = CancellationToken::new();
    // One grace for both: calls that somebody waits for over HTTP, and detached ones.
    let closing = async {
        shutdown.cancelled().await;
        machinery.close(common.shutdown_grace.0).await;
        stop.cancel();
    };
    let (served, (), (), ()) = tokio::join!(
        http.serve(behind, shutdown.clone()),
        closing,
        machinery.runner.run(stop.clone()),
        known.run(stop.clone()),
    );
    store.close().await;
    served
}
