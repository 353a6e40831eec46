//! Where the daemons and plugins are, and building them when nobody has yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::{Error, process};

/// Names the directory with the daemons and plugins; nothing is built when it is set. `cargo xtask test` sets it,
/// so that hundreds of tests do not each ask cargo whether all is fresh.
pub const BINARIES_VARIABLE: &str = "REMUDA_BIN_DIR";

/// Example programs that tests run.
const EXAMPLES: [&str; 1] = ["meter"];

/// A cold build of the whole workspace on two busy cores.
const BUILD_WITHIN: Duration = Duration::from_secs(30 * 60);

/// The daemons, the operator's tool and the plugins of this workspace.
#[derive(Debug, Clone)]
pub struct Daemons {
    files: BTreeMap<String, PathBuf>,
}

static BUILT: OnceCell<Daemons> = OnceCell::const_new();

/// The daemons of this workspace: those in [`BINARIES_VARIABLE`], else built once a process with the profile that
/// `cargo xtask up` and `cargo xtask test` use too.
///
/// # Errors
/// When the directory holds no daemons or the build fails.
pub async fn get() -> Result<&'static Daemons, Error> {
    BUILT
        .get_or_try_init(|| async {
            match std::env::var_os(BINARIES_VARIABLE) {
                Some(directory) if !directory.is_empty() => Ok(Daemons::in_directory(Path::new(&directory))),
                _ => build(&[]).await,
            }
        })
        .await
}

/// Builds the whole workspace with cargo and returns what came out. The whole of it, because building one package
/// alone would choose other features for what they share and compile that again. `more` are further arguments,
/// such as `--release`.
///
/// # Errors
/// When the build fails; the compiler's words have been printed by then.
pub async fn build(more: &[&str]) -> Result<Daemons, Error> {
    let mut command = process::cargo();
    command
        .args([
            "build",
            "--workspace",
            "--lib",
            "--bins",
            "--examples",
            "--message-format=json-render-diagnostics",
        ])
        .args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let what = "cargo build --workspace";
    let child = command.spawn().map_err(|source| Error::Spawn { program: what.to_owned(), source })?;
    let ended = tokio::time::timeout(BUILD_WITHIN, child.wait_with_output())
        .await
        .map_err(|_late| Error::Deadline { what: what.to_owned(), within: BUILD_WITHIN })?
        .map_err(|source| Error::Spawn { program: what.to_owned(), source })?;
    if !ended.status.success() {
        let output = "the compiler's messages are above".to_owned();
        return Err(Error::Program { program: what.to_owned(), status: ended.status.to_string(), output });
    }
    Ok(Daemons { files: artifacts(&String::from_utf8_lossy(&ended.stdout)) })
}

/// Starts a daemon that should not start: with these variables and nothing else, in a directory. Returns how it
/// ended and what it wrote to stderr.
///
/// # Errors
/// [`Error::Deadline`] when it goes on running: then it did start.
pub async fn attempt(
    program: &str,
    variables: &[(&str, &str)],
    directory: &Path,
    within: Duration,
) -> Result<(std::process::ExitStatus, String), Error> {
    let mut command = Command::new(get().await?.program(program)?);
    command.current_dir(directory).env_clear().envs(variables.iter().copied());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ended = process::output(&mut command, within).await?;
    Ok((ended.status, String::from_utf8_lossy(&ended.stderr).into_owned()))
}

/// The executables and shared libraries that cargo's messages name, by file name.
pub(crate) fn artifacts(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let executable = message["executable"].as_str();
        let libraries = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for file in executable.into_iter().chain(libraries.filter(|file| file.ends_with(".so"))) {
            let path = PathBuf::from(file);
            if let Some(name) = path.file_name() {
                files.insert(name.to_string_lossy().into_owned(), path.clone());
            }
        }
    }
    files
}

impl Daemons {
    fn in_directory(directory: &Path) -> Self {
        let names = ["fnserver", "fnnpm", "remuda", "libnoop.so", "libdocker_pool.so"];
        let mut files: BTreeMap<_, _> =
            names.iter().map(|name| ((*name).to_owned(), directory.join(name))).collect();
        files.extend(EXAMPLES.iter().map(|name| ((*name).to_owned(), directory.join("examples").join(name))));
        Self { files }
    }

    /// A program: `fnserver`, `fnnpm` or `remuda`.
    ///
    /// # Errors
    /// When the build made none of that name.
    pub fn program(&self, name: &str) -> Result<&Path, Error> {
        let missing =
            || Error::Shape(format!("there is no program {name}: the workspace builds none of that name"));
        self.files.get(name).filter(|file| file.is_file()).map(PathBuf::as_path).ok_or_else(missing)
    }

    /// A plugin of this workspace by its package's name: `noop`, `docker-pool`.
    ///
    /// # Errors
    /// When the build made no library of that name.
    pub fn plugin(&self, name: &str) -> Result<&Path, Error> {
        self.program(&format!("lib{}.so", name.replace('-', "_")))
    }

    /// The directory that holds the daemons: what [`BINARIES_VARIABLE`] wants.
    ///
    /// # Errors
    /// When `fnserver` was not built.
    pub fn directory(&self) -> Result<PathBuf, Error> {
        Ok(self.program("fnserver")?.parent().unwrap_or(Path::new(".")).to_path_buf())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_and_libraries_are_read_from_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","filenames":["/t/debug/fnserver"],"executable":"/t/debug/fnserver"}
{"reason":"compiler-artifact","filenames":["/t/debug/libnoop.so","/t/debug/libnoop.rlib"],"executable":null}
{"reason":"build-finished","success":true}"#;
        let names: Vec<String> = artifacts(messages).into_keys().collect();
        assert_eq!(names, ["fnserver", "libnoop.so"]);
    }
}
