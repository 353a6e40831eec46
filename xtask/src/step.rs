//! Showing what is being done and how long it took.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::{Duration, Instant};

use remuda_harness::process;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::Failure;

/// Prints each step as it starts and as it ends, and keeps the durations for a summary.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Does one step. `note` says what to expect of a slow one.
    pub(crate) async fn run<T>(
        &mut self,
        name: &str,
        note: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        println!("==> {name}{note}");
        let start = Instant::now();
        let outcome = work.await;
        let took = start.elapsed();
        match &outcome {
            Ok(_) => println!("    {name}: {}", seconds(took)),
            Err(_) => println!("    {name}: failed after {}", seconds(took)),
        }
        self.done.push((name.to_owned(), took));
        outcome
    }

    /// Prints all steps with their durations.
    pub(crate) fn print_summary(&self) {
        let width = self.done.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, took) in &self.done {
            println!("    {name:width$}  {:>8}", seconds(*took));
        }
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!("    {:width$}  {:>8}", "total", seconds(total));
    }
}

pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// How many lines of a child's output are kept for whoever wants to count in it.
const LINES_KEPT: usize = 20_000;
/// Lines on their way from the child to our own output; a slow terminal slows the child down.
const LINES_IN_FLIGHT: usize = 256;

/// Runs a program whose output is shown as it comes, and returns its lines (stdout and stderr as they came).
pub(crate) async fn show(command: &mut Command) -> Result<(bool, Vec<String>), Failure> {
    show_until(command, std::future::pending()).await
}

/// The same; when `interrupted` comes true the program is asked to end (SIGTERM), and is waited for all the same: it
/// has children of its own to end.
pub(crate) async fn show_until(
    command: &mut Command,
    interrupted: impl Future<Output = ()>,
) -> Result<(bool, Vec<String>), Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child =
        command.spawn().map_err(|error| Failure::because(format!("cannot start `{name}`: {error}")))?;
    let (sender, mut lines) = mpsc::channel(LINES_IN_FLIGHT);
    let readers = (
        child.stdout.take().map(|stream| forward(stream, sender.clone())),
        child.stderr.take().map(|stream| forward(stream, sender)),
    );
    let mut kept = VecDeque::new();
    let print = async {
        while let Some(line) = lines.recv().await {
            println!("{line}");
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    };
    let read_out = async {
        if let Some(reader) = readers.0 {
            reader.await
        }
    };
    let read_err = async {
        if let Some(reader) = readers.1 {
            reader.await
        }
    };
    let pid = child.id();
    let ask_to_end = async {
        interrupted.await;
        if let Some(pid) = pid {
            // A program that is gone by now needs no signal.
            drop(process::signal(pid, "TERM").await);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = async { tokio::join!(read_out, read_err, print) } => {}
        () = ask_to_end => {}
    }
    let status = child.wait().await?;
    Ok((status.success(), kept.into()))
}

async fn forward(stream: impl AsyncRead + Unpin, to: mpsc::Sender<String>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if to.send(line).await.is_err() {
            return;
        }
    }
}

/// Runs a program that must succeed, with its output shown.
pub(crate) async fn must(command: &mut Command) -> Result<Vec<String>, Failure> {
    let words = || {
        let command = command.as_std();
        let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
        let all = std::iter::once(program).chain(command.get_args());
        all.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let text = words();
    match show(command).await? {
        (true, lines) => Ok(lines),
        (false, _) => Err(Failure::because(format!("`{text}` failed; its output is above"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interrupt_asks_the_program_to_end_and_hears_it_out() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'echo cleaned up; exit 4' TERM; while :; do sleep 0.02; done"]);
        // Long enough for a shell to set its trap.
        let interrupted = tokio::time::sleep(Duration::from_millis(300));
        let (passed, lines) = show_until(&mut command, interrupted).await.unwrap();
        assert!(!passed);
        assert_eq!(lines, ["cleaned up"]);
    }
}
