//! `cargo xtask soak`: what takes longer than a gate may, and what came of it in docs/soak.md.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use remuda_harness::process;

use crate::Failure;
use crate::schemathesis::{self, Effort};

mod outage;
mod page;

/// Which trial to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Debug, Subcommand)]
enum Trial {
    /// Hostile requests, made from the document that an API node serves, to an open node and to a guarded one.
    Schemathesis(Schemathesis),
    /// Node pool manager, API nodes and database away, one after the other, while known functions are called.
    Outage(Outage),
}

#[derive(Debug, Args)]
struct Outage {
    /// How long each part is away.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

#[derive(Debug, Args)]
struct Schemathesis {
    /// How long to go on with each of the two nodes.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Where chance starts; another one each time, if not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// How many requests are made of an operation before the next one has its turn.
const EXAMPLES: u32 = 200;

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    match options.trial {
        Trial::Schemathesis(options) => hostile(options).await,
        Trial::Outage(options) => away(options).await,
    }
}

async fn away(options: Outage) -> Result<(), Failure> {
    let now = page::now();
    let command = format!("cargo xtask soak outage --minutes {}", options.minutes);
    println!("    {command}");
    let seen = outage::run(Duration::from_secs(options.minutes.saturating_mul(60))).await?;
    let failed: u64 = seen.iter().map(|one| one.failed).sum();
    if failed > 0 {
        return Err(Failure::because(format!("{failed} calls of known functions failed; see above")));
    }
    let file = process::repository().join("docs/soak.md");
    write(&file, "outage", &page::outage(&command, &now, &seen))
}

async fn hostile(options: Schemathesis) -> Result<(), Failure> {
    let now = page::now();
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let time = Duration::from_secs(options.minutes.saturating_mul(60));
    let command = format!("cargo xtask soak schemathesis --minutes {} --seed {seed}", options.minutes);
    println!("    {command}");
    let tried = schemathesis::run(Effort { seed, examples: EXAMPLES, time: Some(time) }, None).await?;
    let file = process::repository().join("docs/soak.md");
    write(&file, "schemathesis", &page::schemathesis(&command, &now, &tried))
}

/// Replaces a section of the page, and leaves the others.
fn write(file: &Path, name: &str, section: &str) -> Result<(), Failure> {
    let before = std::fs::read_to_string(file).unwrap_or_default();
    std::fs::write(file, page::replaced(&before, name, section))?;
    println!("    written to {}", file.display());
    Ok(())
}
