//! `remuda-compat`: plays scenarios against a server and shows where it answers otherwise.

use std::process::ExitCode;

use clap::Parser;
use remuda_compat::cli;

/// Plays recorded conversations against a server. Ends with 0 when every answer is as expected, with 1 when one
/// differs, with 2 when the scenarios cannot be read.
#[derive(Debug, Parser)]
#[command(name = "remuda-compat")]
struct Command {
    #[command(flatten)]
    arguments: cli::Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Command::parse().arguments).await {
        Ok(report) => {
            println!("{report}");
            if report.is_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}
