//! Running the database's own programs.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often something is looked at while it is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs a program to its end and returns what it printed to both streams.
///
/// # Errors
/// A sentence with the program's output when it fails, and when it takes longer than `within`, by when it is killed.
pub(crate) fn run(command: &mut Command, within: Duration) -> Result<String, String> {
    let name =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut output =
        tempfile::tempfile().map_err(|error| format!("no file for the output of {name}: {error}"))?;
    let stream = || output.try_clone().map_err(|error| format!("no file for the output of {name}: {error}"));
    command.stdin(Stdio::null()).stdout(stream()?).stderr(stream()?);
    let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let status = wait(&mut child, within)?;
    if status.is_none() {
        drop(child.kill());
        drop(child.wait());
    }
    let mut bytes = Vec::new();
    output
        .rewind()
        .and_then(|()| output.read_to_end(&mut bytes))
        .map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    match status {
        Some(status) if status.success() => Ok(text),
        Some(status) => Err(format!("{name} failed ({status}):\n{text}")),
        None => Err(format!("{name} did not end within {} s:\n{text}", within.as_secs())),
    }
}

/// Waits for a child to end; `None` when it has not by then.
pub(crate) fn wait(
    child: &mut std::process::Child,
    within: Duration,
) -> Result<Option<std::process::ExitStatus>, String> {
    let deadline = Instant::now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) if Instant::now() >= deadline => return Ok(None),
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(error) => return Err(format!("cannot wait for process {}: {error}", child.id())),
        }
    }
}

/// Where a program is: in one of these directories, or in `PATH`.
///
/// # Errors
/// A sentence that names the Debian package to install.
pub(crate) fn find(program: &str, directories: &[PathBuf], package: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path);
    let mut files = directories.iter().cloned().chain(in_path).map(|directory| directory.join(program));
    files.find(|file| file.is_file()).ok_or_else(|| {
        format!(
            "`{program}` is not installed: run `apt-get install --no-install-recommends {package}`, or \
             `cargo xtask test`, which does"
        )
    })
}

/// Sends a signal by name. The shell's own `kill` does it: a call of libc would be `unsafe`, and a bare machine has
/// no other.
pub(crate) fn signal(pid: u32, name: &str) -> Result<(), String> {
    let mut command = Command::new("sh");
    run(command.args(["-c", &format!("kill -{name} {pid}")]), Duration::from_secs(10)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_names_its_package() {
        let why = find("no-such-server", &[], "no-such-package").unwrap_err();
        assert!(why.contains("apt-get install --no-install-recommends no-such-package"), "{why}");
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_its_output() {
        let why = run(Command::new("sh").args(["-c", "echo a reason >&2; exit 3"]), Duration::from_secs(10));
        assert!(why.unwrap_err().contains("a reason"));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let why = run(Command::new("sleep").arg("60"), Duration::from_millis(30)).unwrap_err();
        assert!(why.contains("did not end"), "{why}");
    }
}
