//! Starting processes that die with ours.
//!
//! The kernel sends a child its "parent death signal" when the *thread* that started it ends, and tests run on threads
//! that come and go. So one thread that never ends starts all servers of a process.

use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

struct Job {
    command: Command,
    started: SyncSender<std::io::Result<Child>>,
}

static KEEPER: OnceLock<SyncSender<Job>> = OnceLock::new();

/// Starts a command on the thread that never ends.
///
/// # Errors
/// When the command cannot be started.
pub(crate) fn spawn(command: Command) -> Result<Child, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let jobs = KEEPER.get_or_init(|| {
        let (jobs, waiting) = sync_channel::<Job>(1);
        std::thread::spawn(move || {
            // Whoever asked and has gone meanwhile gets no child: it is dropped, and ends with us.
            waiting.into_iter().for_each(|mut job| drop(job.started.send(job.command.spawn())));
        });
        jobs
    });
    let (started, answer) = sync_channel(1);
    let gone = |_| "the thread that starts servers is gone".to_owned();
    jobs.send(Job { command, started }).map_err(|_| gone(()))?;
    let child = answer.recv().map_err(|_| gone(()))?;
    child.map_err(|error| format!("cannot start `{program}`: {error}"))
}
