//! Why a plugin was not loaded.

use std::path::{Path, PathBuf};

/// Why a plugin was not loaded: one sentence that names the file, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No file of that name in the places where plugins are looked for.
    #[error("there is no plugin '{value}' in {places}: give the path of its file, or put it there")]
    NotFound {
        /// What was asked for.
        value: String,
        /// Where it was looked for.
        places: String,
    },
    /// The file cannot be opened or read.
    #[error("{} cannot be read ({error}): give the path of a readable plugin file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A directory, a device, a socket.
    #[error("{} is {what}, not a file: give the path of the plugin's .so file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Somebody else could have changed the file.
    #[error("{} is not safe to load: {reason}; {fix}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Who could change it.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// More than a plugin may weigh.
    #[error("{} is larger than {limit_mb} MiB: build the plugin in release mode and strip it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in mebibytes.
        limit_mb: u64,
    },
    /// No ELF file, or not one that a process can load.
    #[error("{} is no shared library ({reason}): give the .so file that cargo built from the plugin", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The file ends too early.
    #[error("{} is damaged or incomplete ({reason}): copy it again from where it was built", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// For another processor.
    #[error("{} is built for {theirs}, this host runs on {ours}: build the plugin for {ours}", path.display())]
    WrongMachine {
        /// The file.
        path: PathBuf,
        /// The file's processor.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// What Fn's own `CONTROL_PLANE_SO` used to be.
    #[error(
        "{} is a Go plugin (built with -buildmode=plugin); Remuda loads Rust plugins built with remuda-plugin-api: for \
         fixed runners use Remuda's noop.so with FN_RUNNER_ADDRESSES, else port the plugin",
        path.display()
    )]
    GoPlugin {
        /// The file.
        path: PathBuf,
    },
    /// Some other shared library.
    #[error(
        "{} is a shared library but no Remuda plugin (it does not export {missing}): give a library built with \
         remuda-plugin-api whose export line is compiled in",
        path.display()
    )]
    NotAPlugin {
        /// The file.
        path: PathBuf,
        /// The symbol that it lacks.
        missing: &'static str,
    },
    /// The manifest cannot be read.
    #[error("{} has a manifest that cannot be read ({reason}): rebuild the plugin", path.display())]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Built against another version of the contract.
    #[error(
        "{} speaks plugin-api {theirs}, this host speaks {ours}: rebuild the plugin against plugin-api {wanted}",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it was built with.
        theirs: String,
        /// The host's.
        ours: &'static str,
        /// The versions that would do.
        wanted: String,
    },
    /// A plugin for something else.
    #[error("{} offers {offers}, not a control plane: give a control plane plugin", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it offers.
        offers: String,
    },
    /// Variables that the plugin declares as required are missing.
    #[error("{} cannot start: {}", path.display(), problems.join("; "))]
    Variables {
        /// The file.
        path: PathBuf,
        /// One sentence for each.
        problems: Vec<String>,
    },
    /// The dynamic linker refused it.
    #[error("{} cannot be loaded ({reason}): {fix}", path.display())]
    Linker {
        /// The file.
        path: PathBuf,
        /// What the linker said.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
    /// Its types do not have the shape that its version promises.
    #[error(
        "{} was built with an altered or incompatible remuda-plugin-api ({reason}): rebuild the plugin against the \
         published plugin-api {ours}",
        path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The first difference.
        reason: String,
        /// The host's version.
        ours: &'static str,
    },
    /// The plugin refused its configuration.
    #[error("{} refuses its configuration: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The plugin's own sentence.
        message: String,
    },
    /// The plugin failed to start.
    #[error("{} failed to start: {message}", path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// The plugin's own sentence.
        message: String,
    },
    /// The plugin did not start in time.
    #[error("{} did not start within {seconds} s: see the plugin's log lines, or allow it more time", path.display())]
    StartTimeout {
        /// The file.
        path: PathBuf,
        /// How long it was given.
        seconds: f64,
    },
    /// The system refused what loading needs.
    #[error("{} cannot be loaded: {doing} failed ({error})", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What failed.
        doing: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

impl LoadError {
    pub(crate) fn system(path: &Path, doing: &'static str, error: std::io::Error) -> Self {
        Self::System { path: path.to_owned(), doing, error }
    }
}
