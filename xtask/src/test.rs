//! `cargo xtask test`: all that must hold before a change lands, in one command.

use std::path::PathBuf;

use clap::Args;
use remuda_harness::{daemons, docker, process};
use tokio::process::Command;

use crate::Failure;
use crate::step::{Steps, must, seconds, show};

mod totals;

use totals::Totals;

/// Which tests to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only the tests whose names contain one of these, and skip what is not a test (format, lints,
    /// dependencies).
    filters: Vec<String>,
}

/// What the tests need besides Rust: the program that shows it is there, and its Debian package.
const NEEDED: [(&str, &str); 4] =
    [("cc", "gcc"), ("openssl", "openssl"), ("setpriv", "util-linux"), ("nginx", "nginx-light")];

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let mut steps = Steps::default();
    let whole = options.filters.is_empty();
    let outcome = everything(&mut steps, &options, whole).await;
    println!("==> summary");
    steps.print_summary();
    let totals = outcome?;
    println!("    {totals}");
    Ok(())
}

async fn everything(steps: &mut Steps, options: &Options, whole: bool) -> Result<Totals, Failure> {
    if whole {
        steps.run("format", "", must(cargo().args(["fmt", "--all", "--check"]))).await?;
    }
    steps.run("packages", "installs what is missing", install_missing()).await?;
    steps.run("docker engine", "", engine()).await?;
    if whole {
        let lint = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        steps.run("clippy", "the first time compiles every dependency", must(cargo().args(lint))).await?;
    }
    let built = steps.run("build", "daemons and plugins", build()).await?;
    let totals = steps.run("tests", "", tests(options, &built)).await?;
    if whole {
        steps.run("examples in documentation", "", documentation(&built)).await?;
        steps.run("dependencies", "bans, licences, sources", dependencies()).await?;
    }
    Ok(totals)
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(process::repository());
    command
}

async fn install_missing() -> Result<(), Failure> {
    let missing = NEEDED.iter().filter(|(program, _)| find(program).is_none());
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    let pip =
        process::output(Command::new("python3").args(["-m", "pip", "--version"]), PIP_ANSWERS_WITHIN).await;
    if !pip.is_ok_and(|answer| answer.status.success()) {
        packages.push("python3-pip");
    }
    if packages.is_empty() {
        return Ok(());
    }
    println!("    installing {}", packages.join(", "));
    Ok(docker::install(&packages).await?)
}

const PIP_ANSWERS_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Debian keeps servers in directories that are not in everybody's `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let elsewhere = ["/usr/sbin", "/sbin"].map(|directory| PathBuf::from(directory).join(program));
    process::find(program).or_else(|| elsewhere.into_iter().find(|file| file.is_file()))
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

async fn build() -> Result<PathBuf, Failure> {
    Ok(daemons::build(&["--locked"]).await?.directory()?)
}

/// nextest where it is installed: a process for each test, and an end to those that hang. Else cargo's own.
async fn tests(options: &Options, built: &std::path::Path) -> Result<Totals, Failure> {
    let has_nextest = process::find("cargo-nextest").is_some();
    let mut command = cargo();
    command.env(daemons::BINARIES_VARIABLE, built);
    if has_nextest {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]).args(&options.filters);
    } else {
        command.args(["test", "--workspace", "--locked", "--no-fail-fast", "--all-targets", "--"]);
        // Each of many tests runs a cluster: two at once is what two cores carry.
        command.args(["--test-threads", "2"]).args(&options.filters);
    }
    let start = std::time::Instant::now();
    let (passed, lines) = show(&mut command).await?;
    let totals = if has_nextest { Totals::of_nextest(&lines) } else { Totals::of_cargo_test(&lines) };
    if passed {
        println!("    {totals} in {}", seconds(start.elapsed()));
        return Ok(totals);
    }
    Err(Failure::because(format!("tests failed: {totals}")))
}

async fn documentation(built: &std::path::Path) -> Result<(), Failure> {
    let mut command = cargo();
    command.env(daemons::BINARIES_VARIABLE, built);
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
