//! `cargo xtask bench`: figures that can be compared, taken in one run and written to `docs/benchmarks.md`.
//!
//! Machines are shared and noisy, so no figure stands alone: ours and its peer are measured in turn (A B A B …), and
//! what counts is the median over the rounds of the ratio.

use clap::{Args, ValueEnum};
use remuda_harness::{daemons, process};
use tokio::process::Command;

use crate::Failure;
use crate::step::Steps;

mod auth;
mod calls;
mod cold;
mod databases;
mod http;
mod listing;
mod load;
mod lookups;
mod machine;
mod nginx;
mod page;
mod statistics;
mod store;

/// What to measure, how long and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The parts to measure; all of them when none is named. What the page says of the others stays.
    parts: Vec<Part>,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load in each round of the hot path.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Cold starts to measure.
    #[arg(long, default_value_t = 15)]
    cold_starts: usize,
    /// Print the page instead of writing docs/benchmarks.md.
    #[arg(long)]
    print: bool,
}

/// Something that can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Calls through LB and runner, beside two nginx.
    Hot,
    /// First calls, beside `docker run`.
    Cold,
    /// Writes and reads per second of each database.
    Store,
    /// Listing 100 000 functions page by page.
    Listing,
    /// What looking a definition up costs an LB, and when a change is in force there.
    Lookups,
    /// What authorisation adds to a request.
    Auth,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    fn wants_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.wants(*part))
    }
}

/// What every part needs.
pub(crate) struct Bench {
    options: Options,
    /// Release builds of the daemons.
    built: daemons::Daemons,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    if options.rounds == 0 || options.seconds == 0 {
        return Err(Failure::because("--rounds and --seconds must be at least 1"));
    }
    let mut steps = Steps::default();
    if cfg!(debug_assertions) {
        let build = async { Ok(daemons::build(&["--release"]).await?) };
        let built = steps.run("build", "with --release", build).await?;
        // Some of what is measured runs in this process.
        return run_released(&built).await;
    }
    // Those that the build above has made; without it, as when this program is called by itself, they are made now.
    let built = match std::env::var_os(daemons::BINARIES_VARIABLE) {
        Some(_) => daemons::get().await?.clone(),
        None => daemons::build(&["--release"]).await?,
    };
    let machine = machine::describe().await;
    let sections = measure(&Bench { options: options.clone(), built }, &mut steps).await?;
    let file = process::repository().join("docs/benchmarks.md");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let page = page::render(&machine, &before, sections);
    if options.print {
        println!("{page}");
        return Ok(());
    }
    std::fs::write(&file, page)?;
    println!("\nwritten to {}", file.display());
    Ok(())
}

/// Has the release build of this program do what it was asked to.
async fn run_released(built: &daemons::Daemons) -> Result<(), Failure> {
    let mut command = Command::new(built.program("xtask")?);
    command.args(std::env::args_os().skip(1)).env(daemons::BINARIES_VARIABLE, built.directory()?);
    let status = command.kill_on_drop(true).status().await?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::because(format!("the measurement ended with {status}")))
    }
}

async fn measure(bench: &Bench, steps: &mut Steps) -> Result<Vec<page::Section>, Failure> {
    let options = &bench.options;
    let mut sections = Vec::new();
    if options.wants_any(&[Part::Store, Part::Listing, Part::Lookups]) {
        let started = databases::Databases::start();
        let databases = steps.run("databases", "PostgreSQL and MariaDB, durable", started).await?;
        if options.wants(Part::Store) {
            sections.push(store::measure(bench, &databases, steps).await?);
        }
        if options.wants(Part::Listing) {
            sections.push(listing::measure(bench, &databases, steps).await?);
        }
        if options.wants(Part::Lookups) {
            sections.push(lookups::measure(bench, &databases, steps).await?);
        }
    }
    if options.wants(Part::Auth) {
        sections.push(auth::measure(bench, steps).await?);
    }
    if options.wants_any(&[Part::Hot, Part::Cold]) {
        sections.extend(calls::measure(bench, steps).await?);
    }
    Ok(sections)
}

/// Says what was being done when something failed.
trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: std::fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::because(format!("{what}: {error}")))
    }
}
