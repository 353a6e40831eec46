//! Running other programs with a deadline, and sending signals.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::Error;

/// How much of a failed program's output is kept for the error: its end, where the reason stands.
const OUTPUT_KEPT_BYTES: usize = 6_000;

/// Runs a program to its end and returns what it printed, whatever its exit code. It reads nothing from stdin and
/// is killed when the time is over.
///
/// # Errors
/// When it cannot be started, or does not end `within` that time.
pub async fn output(command: &mut Command, within: Duration) -> Result<Output, Error> {
    let program = describe(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|source| Error::Spawn { program: program.clone(), source })?;
    match tokio::time::timeout(within, child.wait_with_output()).await {
        Ok(ended) => ended.map_err(|source| Error::Spawn { program, source }),
        Err(_late) => Err(Error::Deadline { what: format!("`{program}` to end"), within }),
    }
}

/// Runs a program that must succeed and returns its standard output, without white space around it.
///
/// # Errors
/// As [`output`], and when it ends with another code than 0.
pub async fn run(command: &mut Command, within: Duration) -> Result<String, Error> {
    let output = output(command, within).await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Program {
        program: describe(command),
        status: output.status.to_string(),
        output: end_of(&text, OUTPUT_KEPT_BYTES).to_owned(),
    })
}

/// Cargo, in the repository, as a developer's shell would start it. Without the variables that `cargo run` and test
/// runners set about the package that runs: build scripts (ring's among them) run again, and half the tree after them,
/// when those differ.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(repository()).env_remove("RUSTFLAGS").env_remove("OUT_DIR");
    let about_a_package =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "NEXTEST"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| about_a_package.iter().any(|start| name.starts_with(start))) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a line of shell that must succeed. For the few places where a pipe says it best.
///
/// # Errors
/// As [`run`].
pub async fn shell(line: &str, within: Duration) -> Result<String, Error> {
    run(Command::new("bash").args(["-o", "pipefail", "-ec", line]), within).await
}

/// Sends a signal (`TERM`, `INT`, `KILL`, `STOP`, …) to a process. The shell's own `kill` does it, because a call
/// of libc would be `unsafe`, and a bare machine has no other.
///
/// # Errors
/// When there is no such process.
pub async fn signal(pid: u32, name: &str) -> Result<(), Error> {
    shell(&format!("kill -{name} {pid}"), Duration::from_secs(10)).await.map(drop)
}

/// Waits until nobody else on this machine does something of that name, in any process, and keeps others waiting
/// until the value is dropped. For what tests of one checkout cannot share: a port that is written down, an image
/// that is being made. Blocks its thread.
///
/// # Errors
/// When the lock's file cannot be made.
pub fn exclusive(what: &str) -> Result<File, Error> {
    let directory = repository().join("target/locks");
    std::fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
    let path = directory.join(what);
    let file = File::create(&path).map_err(Error::file("create", &path))?;
    file.lock().map_err(Error::file("lock", &path))?;
    Ok(file)
}

/// The program's place in `PATH`, if it is there.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// The root of the repository that this harness was built in.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

pub(crate) fn end_of(text: &str, bytes: usize) -> &str {
    let start = text.len().saturating_sub(bytes);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[start..]
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_program_is_an_error_with_its_output() {
        let error = shell("echo out; echo reason >&2; exit 3", Duration::from_secs(10)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("reason"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_stopped_at_its_deadline() {
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{error}");
    }

    #[test]
    fn what_is_exclusive_is_not_done_twice_at_once() {
        let first = exclusive("a-test-of-the-harness").unwrap();
        let path = repository().join("target/locks/a-test-of-the-harness");
        let second = File::open(path).unwrap();
        assert!(second.try_lock().is_err());
        drop(first);
        second.try_lock().unwrap();
    }

    #[test]
    fn the_end_of_a_text_starts_at_a_character() {
        assert_eq!(end_of("aäb", 2), "b");
        assert_eq!(end_of("aäb", 3), "äb");
        assert_eq!(end_of("ab", 9), "ab");
    }
}
