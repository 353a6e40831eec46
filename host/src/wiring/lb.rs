//! A load balancer: the front door, and the room that places calls on runners.

use crate::Failure;
use crate::config::{LbNode, RunnerSource};
use crate::env::{Common, Placer};
use crate::wiring::api::announce;
use crate::wiring::http::{Behind, HttpSide};
use crate::wiring::parts;
use remuda_core::port::{DemandSink, Membership, Placement};
use remuda_core::{LbId, Timestamp};
use remuda_front::Invoking;
use remuda_lb::{
    CachedDefinitions, ConsistentHash, DefinitionsOptions, LoadBalancer, Naive, Options, Ports,
    StaticMembership,
};
use remuda_wire::{ApiClient, ApiUrl, PoolClient, connector, tls};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often readiness is looked at.
const READINESS_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn run(common: &Common, node: &LbNode, shutdown: CancellationToken) -> Result<(), Failure> {
    let http = HttpSide::bind(common, Some(&node.http), Some(&node.agent)).await?;
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
    let api = api_client(node, identity.as_ref())?;
    let definitions = Arc::new(CachedDefinitions::new(Arc::new(api), DefinitionsOptions::default()));
    announce(common, "lb", &http)?;

    let readiness = http.readiness.clone();
    let invoking = Invoking { definitions, invoker: balancer.invoker() };
    let behind = Behind { catalog: None, invoking: Some(invoking), ids };
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
    // Membership and demand go on until the last call has ended.
    let (served, (), ()) = tokio::join!(served, balancer.run(stop.clone()), ready);
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

fn api_client(node: &LbNode, identity: Option<&tls::Identity>) -> Result<ApiClient, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        let fix = "use the base URL of the API node, such as http://api.example:8080";
        Failure::Unusable(format!("FN_RUNNER_API_URL is '{}': {error}; {fix}", node.api_url))
    };
    let url = ApiUrl::parse(&node.api_url).map_err(|error| unusable(&error))?;
    ApiClient::new(url, identity.map(tls::Identity::http_client_config)).map_err(|error| unusable(&error))
}
