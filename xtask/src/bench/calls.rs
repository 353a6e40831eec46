//! Calls through a whole platform: the hot path beside two nginx, and cold starts beside `docker run`.

use std::time::Duration;

use remuda_harness::{Cluster, Tls, daemons, docker, images};

use super::load::{self, Figures, Target};
use super::{Bench, Part, cold, nginx, page};
use crate::Failure;
use crate::step::Steps;

/// The numbers of connections that are measured.
const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// What was measured at one number of connections, round by round.
pub(crate) struct HotRounds {
    pub(crate) connections: usize,
    pub(crate) ours: Vec<Figures>,
    pub(crate) nginx: Vec<Figures>,
}

/// The sections of those of the two parts that are wanted.
pub(crate) async fn measure(bench: &Bench, steps: &mut Steps) -> Result<Vec<page::Section>, Failure> {
    let engine = async { Ok(docker::ensure(&|doing| println!("    {doing}")).await?) };
    steps.run("docker engine", "", engine).await?;
    let packages = async {
        if nginx::program().is_none() {
            docker::install(&["nginx-light"]).await?;
        }
        Ok(())
    };
    steps.run("nginx", "the peer of the hot path", packages).await?;
    let image = steps.run("function image", "", async { Ok(images::probe().await?) }).await?;
    let started = start(bench.built.clone());
    let cluster = steps.run("start", "API, LB, NPM, runner; mutual TLS", started).await?;
    let measured = measure_on(bench, &cluster, &image, steps).await;
    let stopped = steps.run("stop", "", async { Ok(cluster.stop().await?) }).await;
    let sections = measured?;
    stopped?;
    Ok(sections)
}

async fn start(built: daemons::Daemons) -> Result<Cluster, Failure> {
    let shape = Cluster::builder().interactive().label_key("remuda.bench").daemons(built);
    let shape =
        shape.api().lb().npm("noop").runner("bench").tls(Tls::Authority).env("*", "FN_LOG_LEVEL", "INFO");
    Ok(shape.start().await?)
}

async fn measure_on(
    bench: &Bench,
    cluster: &Cluster,
    image: &str,
    steps: &mut Steps,
) -> Result<Vec<page::Section>, Failure> {
    let options = &bench.options;
    let api = cluster.api();
    let app = api.create_app("bench", &[("FN_LB_GROUP_ID", "bench")]).await?;
    let front = cluster.front();
    let mut sections = Vec::new();
    if options.wants(Part::Cold) {
        let starts = cold::measure(&api, &front, &app, image, options.cold_starts);
        let starts = steps.run("cold starts", "beside `docker run`", starts).await?;
        sections.push(page::cold_section(&starts));
    }
    if options.wants(Part::Hot) {
        let settings = remuda_harness::FunctionSettings { idle_timeout_seconds: 600, ..Default::default() };
        let function = api.create_function_with(&app, "hot", image, &settings).await?;
        let ours = Target::new(front.base(), &format!("/invoke/{}", function.0))?;
        let peer = nginx::Chain::start(&bench.built).await?;
        let mut hot = Vec::new();
        for connections in CONNECTIONS {
            let name = format!("hot path, {connections} connections");
            let rounds = hot_rounds(options, connections, &ours, peer.target());
            hot.push(steps.run(&name, "beside two nginx", rounds).await?);
        }
        peer.stop().await?;
        sections.push(page::hot_section(options, &hot));
    }
    Ok(sections)
}

async fn hot_rounds(
    options: &super::Options,
    connections: usize,
    ours: &Target,
    peer: &Target,
) -> Result<HotRounds, Failure> {
    warm(ours, connections).await?;
    warm(peer, connections).await?;
    let time = Duration::from_secs(options.seconds);
    let mut rounds = HotRounds { connections, ours: Vec::new(), nginx: Vec::new() };
    for round in 1..=options.rounds {
        let (a, b) = (load::run(ours, connections, time).await?, load::run(peer, connections, time).await?);
        println!("    round {round}: ours {a}; nginx {b}");
        rounds.ours.push(a);
        rounds.nginx.push(b);
    }
    Ok(rounds)
}

/// Calls until nobody waits for a container any more: then every connection has one that is hot.
async fn warm(target: &Target, connections: usize) -> Result<(), Failure> {
    const SETTLED: Duration = Duration::from_millis(100);
    const ROUNDS_AT_MOST: usize = 30;
    for _ in 0..ROUNDS_AT_MOST {
        if load::run(target, connections, Duration::from_secs(1)).await?.slowest < SETTLED {
            return Ok(());
        }
    }
    println!("    (still calls above {} ms after {ROUNDS_AT_MOST} s of warming up)", SETTLED.as_millis());
    Ok(())
}
