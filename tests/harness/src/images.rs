//! Function images, made offline and kept by their content.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{Error, daemons, docker, process};

mod python;

pub use python::python_fdk;

const BUILD_WITHIN: Duration = Duration::from_secs(10 * 60);

/// The image of `tests/functions/probe`: a function that reports all it was given and does what its input asks.
/// Built as one static file `FROM scratch`; the name carries a hash of that file, so that a change of the source is
/// another image and an unchanged one is found again.
///
/// # Errors
/// When cargo or the engine fails.
pub async fn probe() -> Result<String, Error> {
    let _one_at_a_time = process::exclusive("probe-image")?;
    let file = probe_program().await?;
    let bytes = std::fs::read(&file).map_err(Error::file("read", &file))?;
    let name = format!("remuda-test/probe:{}", short_hash(&bytes));
    if docker::has_image(&name).await {
        return Ok(name);
    }
    let root = tempfile::tempdir().map_err(Error::file("create", std::env::temp_dir()))?;
    let inside = root.path().join("function");
    std::fs::copy(&file, &inside).map_err(Error::file("copy", &file))?;
    docker::import(root.path(), &[r#"ENTRYPOINT ["/function"]"#], &name).await?;
    Ok(name)
}

/// The probe as a program of this machine, static as in its image: to measure or watch it without a container.
///
/// # Errors
/// When cargo fails.
pub async fn probe_program() -> Result<PathBuf, Error> {
    build_static("probe-function").await
}

/// Builds a package of this workspace as a static executable, in a target directory of its own: it is compiled
/// with other flags than the rest, and must not throw that away.
async fn build_static(package: &str) -> Result<PathBuf, Error> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = process::cargo();
    command.args(["build", "--release", "--message-format=json-render-diagnostics", "--package", package]);
    command.args(["--target", &target, "--target-dir", "target/functions"]);
    command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    let messages = process::run(&mut command, BUILD_WITHIN).await?;
    let none = || Error::Shape(format!("cargo built no executable for package {package}"));
    daemons::artifacts(&messages).into_values().find(|path| path.parent().is_some()).ok_or_else(none)
}

fn short_hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_has_the_same_name() {
        assert_eq!(short_hash(b"a"), short_hash(b"a"));
        assert_ne!(short_hash(b"a"), short_hash(b"b"));
        assert_eq!(short_hash(b"").len(), 16);
    }
}
