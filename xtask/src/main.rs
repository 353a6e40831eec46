//! What a developer types: `cargo xtask up`, `test`, `bench`, `compat`, `soak`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod failure;
mod interrupt;
mod schemathesis;
mod soak;
mod step;
mod test;
mod up;

use failure::Failure;

/// Remuda's own tools for working on it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a whole platform on this machine, call two functions, and keep it running until Ctrl-C.
    Up(up::Options),
    /// Check everything that must hold before a change lands: format, lints, tests, dependencies.
    Test(test::Options),
    /// Measure the platform and write docs/benchmarks.md.
    Bench(bench::Options),
    /// Hold a server against the recorded conversations in tests/compat, by its address.
    Compat(remuda_compat::cli::Arguments),
    /// Try longer than a gate may, and write docs/soak.md.
    Soak(soak::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Up(options) => up::run(options).await,
        Command::Test(options) => test::run(options).await,
        Command::Bench(options) => bench::run(options).await,
        Command::Compat(arguments) => compat(arguments).await,
        Command::Soak(options) => soak::run(options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

async fn compat(arguments: remuda_compat::cli::Arguments) -> Result<(), Failure> {
    let report = remuda_compat::cli::run(arguments).await.map_err(Failure::because)?;
    println!("{report}");
    if report.is_same() { Ok(()) } else { Err(Failure::because("the server answers otherwise; see above")) }
}
