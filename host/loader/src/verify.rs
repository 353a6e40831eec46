//! Everything that can be asked of a file before any of it runs.

use crate::elf::{self, Problem};
use crate::{LoadError, file, version};
use remuda_plugin_api::manifest::Manifest;
use std::path::Path;

/// A file that may be loaded.
pub(crate) struct Verified {
    pub(crate) opened: file::Opened,
    pub(crate) manifest: Manifest,
    pub(crate) age: version::Age,
}

/// Reads what a plugin file says about itself, running none of it. The file may be for another version of the host; it
/// is refused for the same reasons as in loading otherwise, except for who may write it.
pub fn inspect(path: &Path) -> Result<Manifest, LoadError> {
    let opened = file::open(path, true)?;
    elf::manifest(&opened.bytes).map_err(|problem| told(problem, &opened.path))
}

/// Decides whether a file may be loaded.
pub(crate) fn verify(path: &Path, insecure: bool) -> Result<Verified, LoadError> {
    let opened = file::open(path, insecure)?;
    let manifest = elf::manifest(&opened.bytes).map_err(|problem| told(problem, &opened.path))?;
    let age = version::check(&opened.path, &manifest.api)?;
    Ok(Verified { opened, manifest, age })
}

fn told(problem: Problem, path: &Path) -> LoadError {
    let path = path.to_owned();
    match problem {
        Problem::NotALibrary(reason) => LoadError::NotALibrary { path, reason },
        Problem::Incomplete(reason) => LoadError::Incomplete { path, reason },
        Problem::WrongMachine { theirs, ours } => LoadError::WrongMachine { path, theirs, ours },
        Problem::GoPlugin => LoadError::GoPlugin { path },
        Problem::NotAPlugin { missing } => LoadError::NotAPlugin { path, missing },
        Problem::BadManifest(reason) => LoadError::BadManifest { path, reason },
    }
}
