//! A load balancer: the front door, and the room that places calls on runners.

use crate::Failure;
use crate::config::{LbNode, RunnerSource};
use crate::env::{Auth, Placer};
use crate::wiring::api::{self, announce};
use crate::wiring::http::{Behind, HttpSide};
use crate::wiring::{Shell, parts};
use remuda_core::port::{DemandSink, Membership, Placement};
use remuda_core::{LbId, Timestamp};
use remuda_front::{Extensions, Invoking};
use remuda_lb::{
    CachedDefinitions, ConsistentHash, DefinitionsOptions, LoadBalancer, Naive, Options, Ports, Sources,
    StaticMembership,
};
use remuda_wire::{ApiClient, ApiUrl, PoolClient, connector, tls};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often readiness is looked at.
const READINESS_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn run(
    shell: &Shell,
    node: &LbNode,
    extensions: Extensions,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let Shell { common, https } = shell;
    let http = HttpSide::bind(common, https.as_ref(), Some(&node.http), Some(&node.agent)).await?;
    let identity = node.certs.as_ref().map(parts::identity).transpose()?;
    let ids = parts::ids();
    let (membership, demand) = runners(node, identity.as_ref())?;
    let placement: Arc<dyn Placement> = match node.lb.placer {
        Placer::Naive => Arc::new(Naive::new()),
        Placer::ConsistentHash => Arc::new(ConsistentHash),
    };
    if identity.is_none() {
        tracing::warn!("no FN_NODE_CERT: calls go to runners in clear");
    }
    let ports = Ports {
        connector: connector(identity.as_ref().map(tls::Identity::client_config)),
        membership,
        demand,
        placement,
    };
    let lb_id = LbId::new(ids.next(Timestamp::from(SystemTime::now())));
    let options = Options { placer_timeout: node.lb.placer_timeout.0, ..Options::default() };
    let balancer = LoadBalancer::new(lb_id, options, ports);
    let definitions = definitions(node, identity.as_ref())?;
    announce(common, "lb", &http)?;

    let readiness = http.readiness.clone();
    let invoking = Invoking { definitions: definitions.clone(), invoker: balancer.invoker() };
    let behind = Behind {
        management: None,
        invoking: Some(invoking),
        access: api::access(&node.http, definitions.clone()),
        ids,
        extensions,
    };
    let stop = CancellationToken::new();
    let served = async {
        let served = http.serve(behind, shutdown.clone()).await;
        stop.cancel();
        served
    };
    let ready = async {
        let mut ticks = tokio::time::interval(READINESS_INTERVAL);
        loop {
            if balancer.is_ready() {
                readiness.release("runners");
            } else {
                readiness.hold_back("runners", "nobody has said yet which runners there are");
            }
            tokio::select! { () = stop.cancelled() => return, _ = ticks.tick() => {} }
        }
    };
    // Membership, demand and news go on until the last call has ended.
    let (served, (), (), ()) =
        tokio::join!(served, balancer.run(stop.clone()), ready, definitions.run(stop.clone()));
    served
}

type Runners = (Arc<dyn Membership>, Option<Arc<dyn DemandSink>>);

fn runners(node: &LbNode, identity: Option<&tls::Identity>) -> Result<Runners, Failure> {
    match (&node.runners, identity) {
        (RunnerSource::Fixed(addresses), _) => Ok((Arc::new(StaticMembership::new(addresses.clone())), None)),
        (RunnerSource::Npm(address), Some(identity)) => {
            let client = PoolClient::new(address, identity.client_config()).map_err(|error| {
                Failure::Unusable(format!("FN_NPM_ADDRESS is '{address}': {error}; use host:port"))
            })?;
            let client = Arc::new(client);
            Ok((client.clone(), Some(client)))
        }
        // The configuration's reader has asked for them.
        (RunnerSource::Npm(_), None) => {
            Err(Failure::Unusable("FN_NPM_ADDRESS needs the three FN_NODE_CERT variables".to_owned()))
        }
    }
}

/// What is remembered of the API nodes' definitions.
fn definitions(node: &LbNode, identity: Option<&tls::Identity>) -> Result<Arc<CachedDefinitions>, Failure> {
    let unusable = |error: String| {
        let fix = "use the base URLs of the API nodes, such as http://api.example:8080";
        Failure::Unusable(format!("FN_RUNNER_API_URL is '{}': {error}; {fix}", node.api_urls.join(",")))
    };
    let urls = node
        .api_urls
        .iter()
        .map(|url| ApiUrl::parse(url))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unusable)?;
    let auth = node.http.auth == Auth::Token;
    let client =
        ApiClient::new(urls, identity.map(tls::Identity::http_client_config), auth).map_err(unusable)?;
    let client = Arc::new(client);
    let sources = Sources { definitions: client.clone(), tokens: client.clone(), changes: Some(client) };
    Ok(Arc::new(CachedDefinitions::new(sources, DefinitionsOptions::default())))
}
