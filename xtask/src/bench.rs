//! `cargo xtask bench`: figures that can be compared, taken in one run and written to `docs/benchmarks.md`.
//!
//! Machines are shared and noisy, so no figure stands alone: ours and its peer are measured in turn (A B A B …), and
//! what counts is the median over the rounds of the ratio.

use std::time::Duration;

use clap::Args;
use remuda_harness::{Cluster, Tls, daemons, docker, images, process};

use crate::Failure;
use crate::step::Steps;

mod cold;
mod load;
mod machine;
mod nginx;
mod page;
mod statistics;

use load::{Figures, Target};

/// How long and how often to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Cold starts to measure.
    #[arg(long, default_value_t = 15)]
    cold_starts: usize,
    /// Print the page instead of writing docs/benchmarks.md.
    #[arg(long)]
    print: bool,
}

/// The numbers of connections that are measured.
const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// What was measured at one number of connections, round by round.
pub(crate) struct HotRounds {
    pub(crate) connections: usize,
    pub(crate) ours: Vec<Figures>,
    pub(crate) nginx: Vec<Figures>,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    if options.rounds == 0 || options.seconds == 0 {
        return Err(Failure::because("--rounds and --seconds must be at least 1"));
    }
    let mut steps = Steps::default();
    let engine = async { Ok(docker::ensure(&|doing| println!("    {doing}")).await?) };
    steps.run("docker engine", "", engine).await?;
    let packages = async {
        if nginx::program().is_none() {
            docker::install(&["nginx-light"]).await?;
        }
        Ok(())
    };
    steps.run("nginx", "the peer of the hot path", packages).await?;
    let build = async { Ok(daemons::build(&["--release"]).await?) };
    let built = steps.run("build", "with --release", build).await?;
    let image = steps.run("function image", "", async { Ok(images::probe().await?) }).await?;
    let machine = machine::describe().await;
    let cluster = steps.run("start", "API, LB, NPM, runner; mutual TLS", start(built.clone())).await?;
    let measured = measure(&options, &cluster, &built, &image, &mut steps).await;
    let stopped = steps.run("stop", "", async { Ok(cluster.stop().await?) }).await;
    let (hot, cold) = measured?;
    stopped?;
    let page = page::render(&machine, &options, &hot, &cold);
    if options.print {
        println!("{page}");
        return Ok(());
    }
    let file = process::repository().join("docs/benchmarks.md");
    std::fs::write(&file, page)?;
    println!("\nwritten to {}", file.display());
    Ok(())
}

async fn start(built: daemons::Daemons) -> Result<Cluster, Failure> {
    let shape = Cluster::builder().interactive().label_key("remuda.bench").daemons(built);
    let shape =
        shape.api().lb().npm("noop").runner("bench").tls(Tls::Authority).env("*", "FN_LOG_LEVEL", "INFO");
    Ok(shape.start().await?)
}

async fn measure(
    options: &Options,
    cluster: &Cluster,
    built: &daemons::Daemons,
    image: &str,
    steps: &mut Steps,
) -> Result<(Vec<HotRounds>, cold::Starts), Failure> {
    let api = cluster.api();
    let app = api.create_app("bench", &[("FN_LB_GROUP_ID", "bench")]).await?;
    let front = cluster.front();
    let starts = cold::measure(&api, &front, &app, image, options.cold_starts);
    let starts = steps.run("cold starts", "beside `docker run`", starts).await?;
    let settings = remuda_harness::FunctionSettings { idle_timeout_seconds: 600, ..Default::default() };
    let function = api.create_function_with(&app, "hot", image, &settings).await?;
    let ours = Target::new(front.base(), &format!("/invoke/{}", function.0))?;
    let peer = nginx::Chain::start(built).await?;
    let mut hot = Vec::new();
    for connections in CONNECTIONS {
        let name = format!("hot path, {connections} connections");
        let rounds = hot_rounds(options, connections, &ours, peer.target());
        hot.push(steps.run(&name, "beside two nginx", rounds).await?);
    }
    peer.stop().await?;
    Ok((hot, starts))
}

async fn hot_rounds(
    options: &Options,
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
