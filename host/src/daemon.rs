//! What the daemons' `main` functions share.

use crate::config::{Fnnpm, Fnserver};
use crate::env::{self, Common};
use crate::extension::Extensions;
use crate::{Failure, VERSION, shutdown, wiring};
use std::future::Future;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// `fnserver`: reads its environment, runs until told to stop.
pub fn fnserver() -> ExitCode {
    fnserver_with(Extensions::default())
}

/// An `fnserver` with extensions: the whole `main` of a binary that extends Remuda.
pub fn fnserver_with(extensions: Extensions) -> ExitCode {
    run("fnserver", || {
        let config = Fnserver::read(env::of_process()).map_err(Failure::Configuration)?;
        let common = config.common.clone();
        let warnings = config.warnings.clone();
        block_on(&common, |shutdown| async move {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            wiring::fnserver(config, extensions, shutdown).await
        })
    })
}

/// `fnnpm`: reads its environment, loads its control plane, runs until told to stop.
pub fn fnnpm() -> ExitCode {
    run("fnnpm", || {
        let (config, warnings) = Fnnpm::read(env::of_process()).map_err(Failure::Configuration)?;
        let common = config.common.clone();
        block_on(&common, |shutdown| wiring::fnnpm(config, warnings, shutdown))
    })
}

fn run(name: &str, body: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    if let Some(argument) = std::env::args().nth(1) {
        return about(name, &argument);
    }
    match body() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{name}: {failure}");
            failure.exit_code()
        }
    }
}

fn about(name: &str, argument: &str) -> ExitCode {
    match argument {
        "--version" | "-V" => println!("{name} {VERSION}"),
        "--help" | "-h" => println!(
            "{name} {VERSION}\n\nIt takes no arguments: environment variables configure it. `remuda env` lists them."
        ),
        _ => {
            eprintln!(
                "{name}: it takes no arguments; environment variables configure it (`remuda env` lists them)"
            );
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

fn block_on<F: Future<Output = Result<(), Failure>>>(
    common: &Common,
    node: impl FnOnce(CancellationToken) -> F,
) -> Result<(), Failure> {
    remuda_telemetry::init(common.log_level, common.log_format).map_err(Failure::to("set up logging"))?;
    // An error only says that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::to("start the async runtime"))?;
    let ended = runtime.block_on(async {
        let shutdown = shutdown::on_signal().map_err(Failure::to("listen for signals"))?;
        node(shutdown).await
    });
    // Blocking work that outlived its deadline must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    if ended.is_ok() {
        tracing::info!("stopped");
    }
    ended
}
