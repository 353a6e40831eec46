//! What the tests need besides Rust.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use remuda_harness::{docker, process};
use tokio::process::Command;

use crate::Failure;

/// The program that shows it is there, and its Debian package.
const NEEDED: [(&str, &str); 7] = [
    ("cc", "gcc"),
    ("openssl", "openssl"),
    ("setpriv", "util-linux"),
    ("nginx", "nginx-light"),
    ("postgres", "postgresql"),
    ("mariadbd", "mariadb-server"),
    ("mariadb", "mariadb-client"),
];

const PIP_ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// Installs what is missing; no server is started by that.
pub(crate) async fn install_missing() -> Result<(), Failure> {
    let missing = NEEDED.iter().filter(|(program, _)| find(program).is_none());
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    let pip =
        process::output(Command::new("python3").args(["-m", "pip", "--version"]), PIP_ANSWERS_WITHIN).await;
    if !pip.is_ok_and(|answer| answer.status.success()) {
        packages.push("python3-pip");
    }
    let venv =
        process::output(Command::new("python3").args(["-c", "import ensurepip, venv"]), PIP_ANSWERS_WITHIN)
            .await;
    if !venv.is_ok_and(|answer| answer.status.success()) {
        packages.push("python3-venv");
    }
    if packages.is_empty() {
        return Ok(());
    }
    println!("    installing {}", packages.join(", "));
    let _no_services = NoServices::declare(Path::new("/usr/sbin/policy-rc.d"));
    Ok(docker::install(&packages).await?)
}

/// Debian keeps servers in directories that are not in everybody's `PATH`, PostgreSQL's in one for each version.
fn find(program: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let postgres = versions.map(|version| version.path().join("bin"));
    let elsewhere = ["/usr/sbin", "/sbin"].map(PathBuf::from).into_iter().chain(postgres);
    let mut files = elsewhere.map(|directory| directory.join(program));
    process::find(program).or_else(|| files.find(|file| file.is_file()))
}

/// While it lives, packages that are installed start no services: a server on its usual port could be somebody's
/// surprise, and on a machine without a supervisor the attempt may fail the installation. A policy of the machine's
/// own is left alone.
struct NoServices {
    ours: Option<PathBuf>,
}

impl NoServices {
    fn declare(policy: &Path) -> Self {
        let file = std::fs::File::options().create_new(true).write(true).mode(0o755).open(policy);
        // 101: "action forbidden by policy". Without the right to write it there is none to install packages either.
        let written =
            file.and_then(|mut file| std::io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n")).is_ok();
        Self { ours: written.then(|| policy.to_owned()) }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.ours {
            drop(std::fs::remove_file(policy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_against_services_is_gone_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy-rc.d");
        let declared = NoServices::declare(&policy);
        assert!(std::fs::read_to_string(&policy).unwrap().contains("exit 101"));
        drop(declared);
        assert!(!policy.exists());
    }

    #[test]
    fn a_policy_that_was_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy-rc.d");
        std::fs::write(&policy, "its own").unwrap();
        drop(NoServices::declare(&policy));
        assert_eq!(std::fs::read_to_string(&policy).unwrap(), "its own");
    }
}
