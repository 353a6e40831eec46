//! The probe function as an image, built without a registry.

use bollard::Docker;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A user who is root under another name.
const PASSWD: &str = "app:x:0:0::/:/function\n";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The image's name; it is made when the engine does not have it. Its tag says what is in it, so that an old one is
/// never taken for the new.
pub(crate) async fn probe(docker: &Docker) -> String {
    import(docker, "", &build()).await
}

/// The probe as an image with something more in its configuration: a line of a Dockerfile.
pub(crate) async fn probe_with(docker: &Docker, change: &str) -> String {
    import(docker, change, &build()).await
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let into = root.join("target/functions");
    let built = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(&root)
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C strip=symbols")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--quiet", "--release", "-p", "probe-function", "--target", TARGET, "--target-dir"])
        .arg(&into)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the probe function does not build");
    into.join(TARGET).join("release/probe-function")
}

async fn import(docker: &Docker, change: &str, binary: &Path) -> String {
    let bytes = fs::read(binary).unwrap();
    let mut hash = DefaultHasher::new();
    (change, &bytes, PASSWD).hash(&mut hash);
    let tag = format!("{:016x}", hash.finish());
    let name = format!("remuda-test-probe:{tag}");
    if docker.inspect_image(&name).await.is_ok() {
        return name;
    }
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in [("function", bytes.as_slice()), ("etc/passwd", PASSWD.as_bytes())] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, content).unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let changes = ["ENTRYPOINT [\"/function\"]".to_owned(), change.to_owned()];
    let options = CreateImageOptions {
        from_src: Some("-".into()),
        repo: Some("remuda-test-probe".into()),
        tag: Some(tag),
        changes: changes.into_iter().filter(|change| !change.is_empty()).collect(),
        ..Default::default()
    };
    let mut steps = docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
    while let Some(step) = steps.next().await {
        step.unwrap();
    }
    name
}
