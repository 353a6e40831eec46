//! What looking a definition up costs a load balancer, and when a change is in force there. The load balancer's own
//! cache and client are used, in this process, on real API nodes.

use std::sync::Arc;
use std::time::Duration;

use remuda_harness::until;
use remuda_lb::{CachedDefinitions, DefinitionsOptions, Sources};
use remuda_wire::{ApiClient, ApiUrl};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::databases::{Databases, Kind, api_nodes, functions_by};
use super::load::Figures;
use super::{Bench, Doing, page};
use crate::Failure;
use crate::step::Steps;

mod cost;
mod freshness;
mod section;

use cost::Hits;

/// A stream of changes begins as soon as a connection is made.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// What was seen on one database.
struct Measured {
    kind: Kind,
    /// Lookups that found the definition, round by round: by one task, and by several at once.
    alone: Vec<Hits>,
    hammered: Vec<Hits>,
    /// Lookups that asked an API node.
    asked: Figures,
    /// From the answer to a change until it is in force: made at the node that the LB listens to, and at another.
    same_node: Vec<Duration>,
    other_node: Vec<Duration>,
}

pub(crate) async fn measure(
    bench: &Bench,
    databases: &Databases,
    steps: &mut Steps,
) -> Result<page::Section, Failure> {
    let mut all = Vec::new();
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let name = format!("lookups on {kind}");
        all.push(steps.run(&name, "an LB's cache and two API nodes", on(bench, databases, kind)).await?);
    }
    Ok(section::render(&all))
}

async fn on(bench: &Bench, databases: &Databases, kind: Kind) -> Result<Measured, Failure> {
    let url = databases.fresh(kind, "lookups").await?;
    let mut cluster = api_nodes(&bench.built, 2, &[("FN_DB_URL", &url)]).await?;
    let (here, elsewhere) = (cluster.api_at("api"), cluster.api_at("api-2"));
    let (app, functions) = functions_by(&here, 1).await?;
    let function = functions.into_iter().next().unwrap_or_default();
    let known = Known::listen(here.base()).await?;
    let mut measured = Measured {
        kind,
        alone: Vec::new(),
        hammered: Vec::new(),
        asked: cost::ask(&known.client, &app, &function).await?,
        same_node: Vec::new(),
        other_node: Vec::new(),
    };
    for _ in 0..bench.options.rounds {
        measured.alone.push(cost::hit(&known.definitions, &app, &function, 1).await?);
        measured.hammered.push(cost::hit(&known.definitions, &app, &function, cost::TASKS).await?);
    }
    measured.same_node = freshness::measure(&known.definitions, &here, &function).await?;
    measured.other_node = freshness::measure(&known.definitions, &elsewhere, &function).await?;
    known.stop().await?;
    cluster.stop().await?;
    Ok(measured)
}

/// What a load balancer knows of an API node's definitions, kept fresh by its stream of changes.
struct Known {
    client: ApiClient,
    definitions: Arc<CachedDefinitions>,
    shutdown: CancellationToken,
    listening: JoinHandle<()>,
}

impl Known {
    async fn listen(base: &str) -> Result<Self, Failure> {
        let urls = ApiUrl::parse_list(base).map_err(Failure::because)?;
        let client = ApiClient::new(urls, None, false).map_err(Failure::because)?;
        let source = Arc::new(client.clone());
        let sources = Sources { definitions: source.clone(), tokens: source.clone(), changes: Some(source) };
        let definitions = Arc::new(CachedDefinitions::new(sources, DefinitionsOptions::default()));
        let shutdown = CancellationToken::new();
        let (run, stop) = (Arc::clone(&definitions), shutdown.clone());
        let listening = tokio::spawn(async move { run.run(stop).await });
        until("changes to be told", TOLD_WITHIN, async || definitions.is_told_of_changes()).await?;
        Ok(Self { client, definitions, shutdown, listening })
    }

    async fn stop(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        self.listening.await.doing("end the cache")
    }
}
