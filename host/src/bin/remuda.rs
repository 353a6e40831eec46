//! The operator's tool.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Certificates, tokens, plugins and documentation of a Remuda platform.
#[derive(Parser)]
#[command(version, about = "Certificates, tokens, plugins and documentation of a Remuda platform.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes certificates for mutual TLS between nodes.
    Certs(remuda::certs::Arguments),
    /// Makes, lists and revokes bearer tokens (FN_AUTH=token).
    Token {
        #[command(subcommand)]
        command: remuda::token::Command,
    },
    /// Lists every environment variable of every daemon.
    Env {
        /// As the Markdown page in docs/environment.md.
        #[arg(long)]
        markdown: bool,
    },
    /// Looks at plugins.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Shows what a plugin says of itself; runs none of its code.
    Inspect {
        /// The `.so` file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Certs(arguments) => remuda::certs::run(&arguments),
        Command::Token { command } => remuda::token::run(command),
        Command::Env { markdown: _ } => {
            print!("{}", remuda::env::markdown());
            Ok(())
        }
        Command::Plugin { command: PluginCommand::Inspect { file } } => inspect(&file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("remuda: {failure}");
            failure.exit_code()
        }
    }
}

fn inspect(file: &std::path::Path) -> Result<(), remuda::Failure> {
    let manifest =
        remuda_loader::inspect(file).map_err(|error| remuda::Failure::Unusable(error.to_string()))?;
    let text = serde_json::to_string_pretty(&manifest).map_err(remuda::Failure::to("show the manifest"))?;
    println!("{text}");
    Ok(())
}
