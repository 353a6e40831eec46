//! `cargo xtask test`: all that must hold before a change lands, in one command.

use std::path::PathBuf;

use clap::Args;
use remuda_harness::daemons::{self, Daemons};
use remuda_harness::process::cargo;
use remuda_harness::{docker, process};

use crate::Failure;
use crate::interrupt::Interrupts;
use crate::schemathesis::{self, Effort};
use crate::step::{Steps, must, seconds, show_until};

mod databases;
mod packages;
mod totals;

use databases::Databases;
use totals::Totals;

/// The same requests each time, in less than a minute; `cargo xtask soak schemathesis` makes others.
const HOSTILE: Effort = Effort { seed: 1, examples: 40, time: None };

/// Which tests to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only the tests whose names contain one of these, and skip what is not a test (format, lints,
    /// dependencies).
    filters: Vec<String>,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let mut steps = Steps::default();
    let whole = options.filters.is_empty();
    let mut interrupts = Interrupts::listen()?;
    let outcome = everything(&mut steps, &options, whole, &mut interrupts).await;
    println!("==> summary");
    steps.print_summary();
    let totals = outcome?;
    println!("    {totals}");
    Ok(())
}

async fn everything(
    steps: &mut Steps,
    options: &Options,
    whole: bool,
    interrupts: &mut Interrupts,
) -> Result<Totals, Failure> {
    let built = interrupts.or(before_the_tests(steps, whole)).await?;
    let databases =
        interrupts.or(steps.run("databases", "PostgreSQL and MariaDB", Databases::start())).await?;
    let totals = steps.run("tests", "", tests(options, &built, &databases, interrupts)).await?;
    drop(databases);
    if whole {
        interrupts.or(after_the_tests(steps, &built)).await?;
    }
    Ok(totals)
}

async fn before_the_tests(steps: &mut Steps, whole: bool) -> Result<Built, Failure> {
    if whole {
        steps.run("format", "", must(cargo().args(["fmt", "--all", "--check"]))).await?;
    }
    steps.run("packages", "installs what is missing", packages::install_missing()).await?;
    steps.run("docker engine", "", engine()).await?;
    if whole {
        let lint = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        steps.run("clippy", "the first time compiles every dependency", must(cargo().args(lint))).await?;
    }
    steps.run("build", "daemons and plugins", build()).await
}

async fn after_the_tests(steps: &mut Steps, built: &Built) -> Result<(), Failure> {
    steps.run("examples in documentation", "", documentation(built)).await?;
    let hostile = schemathesis::run(HOSTILE, Some(&built.daemons));
    steps.run("hostile requests", "schemathesis", hostile).await?;
    steps.run("dependencies", "bans, licences, sources", dependencies()).await
}

async fn engine() -> Result<(), Failure> {
    let engine = docker::ensure(&|doing| println!("    {doing}")).await?;
    let version = docker::version().await.unwrap_or_default();
    match engine {
        docker::Engine::Found => println!("    Docker Engine {version} answers"),
        docker::Engine::StartedAsService => println!("    Docker Engine {version}, started as a service"),
        docker::Engine::Started(pid) => {
            println!("    Docker Engine {version}, started as process {pid}, log in {}", docker::ENGINE_LOG);
        }
    }
    Ok(())
}

/// What the tests start.
struct Built {
    daemons: Daemons,
    directory: PathBuf,
}

async fn build() -> Result<Built, Failure> {
    let daemons = daemons::build(&["--locked"]).await?;
    Ok(Built { directory: daemons.directory()?, daemons })
}

/// nextest where it is installed: a process for each test, and an end to those that hang. Else cargo's own.
async fn tests(
    options: &Options,
    built: &Built,
    databases: &Databases,
    interrupts: &mut Interrupts,
) -> Result<Totals, Failure> {
    let has_nextest = process::find("cargo-nextest").is_some();
    let mut command = cargo();
    command.env(daemons::BINARIES_VARIABLE, &built.directory);
    databases.announce(&mut command);
    if has_nextest {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]).args(&options.filters);
    } else {
        command.args(["test", "--workspace", "--locked", "--no-fail-fast", "--all-targets", "--"]);
        // Each of many tests runs a cluster: two at once is what two cores carry.
        command.args(["--test-threads", "2"]).args(&options.filters);
    }
    let start = std::time::Instant::now();
    let mut was_interrupted = false;
    let interrupted = async {
        interrupts.next().await;
        was_interrupted = true;
    };
    let (passed, lines) = show_until(&mut command, interrupted).await?;
    if was_interrupted {
        return Err(Failure::Interrupted);
    }
    let totals = if has_nextest { Totals::of_nextest(&lines) } else { Totals::of_cargo_test(&lines) };
    if passed {
        println!("    {totals} in {}", seconds(start.elapsed()));
        return Ok(totals);
    }
    Err(Failure::because(format!("tests failed: {totals}")))
}

async fn documentation(built: &Built) -> Result<(), Failure> {
    let mut command = cargo();
    command.env(daemons::BINARIES_VARIABLE, &built.directory);
    must(command.args(["test", "--workspace", "--locked", "--doc", "--quiet"])).await.map(drop)
}

async fn dependencies() -> Result<(), Failure> {
    if process::find("cargo-deny").is_none() {
        println!("    installing cargo-deny (some minutes)");
        must(cargo().args(["install", "--locked", "--quiet", "cargo-deny"])).await?;
    }
    // No advisories: their database cannot be cloned on every machine that this must pass on.
    must(cargo().args(["deny", "--all-features", "check", "bans", "licenses", "sources"])).await.map(drop)
}
