//! A Python environment with schemathesis, in the versions that are written down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use remuda_harness::process;
use tokio::process::Command;

use crate::Failure;

/// Every package with its version, so that the same requests are made everywhere.
const REQUIREMENTS: &str = include_str!("requirements.txt");
const MAKING: Duration = Duration::from_secs(120);
const INSTALLING: Duration = Duration::from_secs(300);

/// The program, installed under `target` if it is not there yet.
pub(super) async fn schemathesis() -> Result<PathBuf, Failure> {
    let directory = process::repository().join("target/schemathesis");
    let _alone = process::exclusive("schemathesis")?;
    let program = directory.join("bin/schemathesis");
    // Written last, so it says that all of it is there.
    let complete = directory.join("installed.txt");
    if program.is_file() && std::fs::read_to_string(&complete).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(program);
    }
    println!("    installing schemathesis into {}", directory.display());
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&directory), MAKING).await?;
    install(&directory).await?;
    std::fs::write(complete, REQUIREMENTS)?;
    Ok(program)
}

async fn install(directory: &Path) -> Result<(), Failure> {
    let wanted = directory.join("wanted.txt");
    std::fs::write(&wanted, REQUIREMENTS)?;
    let mut pip = Command::new(directory.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
        .arg(&wanted);
    process::run(&mut pip, INSTALLING).await?;
    Ok(())
}
