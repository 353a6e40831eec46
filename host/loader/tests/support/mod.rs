//! What the tests of the loader share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

use remuda_loader::{LoadError, Loaded, Options, load_control_plane};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The library of a plugin that is a dev-dependency of this package: cargo puts it beside the test.
pub fn library(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().join(format!("lib{name}.so"));
    assert!(path.exists(), "{} was not built", path.display());
    path
}

pub fn options(environment: &[(&str, &str)]) -> Options {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: BTreeMap<_, _> = environment.iter().map(own).collect();
    Options { environment, call_deadline: Duration::from_secs(20), ..Options::default() }
}

pub fn noop_options() -> Options {
    options(&[("FN_RUNNER_ADDRESSES", "h:9190,blue=i:9191")])
}

pub async fn load(path: &Path) -> Result<Loaded, LoadError> {
    load_control_plane(path, noop_options()).await
}

pub async fn refusal(path: &Path) -> String {
    let error = load(path).await.expect_err("the file was loaded");
    let sentence = error.to_string();
    assert!(!sentence.contains('\n') && sentence.len() < 600, "not one sentence: {sentence}");
    sentence
}

/// A directory of bad files.
pub struct Bench(TempDir);

impl Bench {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o644);
        path
    }
    /// Compiles a shared library from C.
    pub fn c_library(&self, name: &str, source: &str) -> PathBuf {
        let (code, library) = (self.file("source.c", source.as_bytes()), self.path(name));
        let compiler =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).output().unwrap();
        assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
        set_mode(&library, 0o755);
        library
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Replaces one piece of a library by another of the same length.
pub fn patched(library: &Path, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = fs::read(library).unwrap();
    let mut found = 0;
    for at in 0..=bytes.len() - old.len() {
        if bytes[at..].starts_with(old.as_bytes()) {
            bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "{old} does not occur in {}", library.display());
    bytes
}
