//! What both kinds of server have in common: a command, a port, a directory, and a process that may be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{self, LOOK_EVERY};
use crate::directory::User;
use crate::keeper;

/// On a machine that compiles at the same time; alone it is below a second.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const FORGETS_WITHIN: Duration = Duration::from_secs(5);
/// How much of a server's log stands in an error.
const LOG_KEPT_BYTES: usize = 3_000;

/// A server's command line, ready to be run any number of times on the same data.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) user: User,
    pub(crate) log: PathBuf,
    /// How this kind of server is asked to end.
    pub(crate) stop_signal: &'static str,
    /// How it is ended when nobody needs its data any more.
    pub(crate) end_signal: &'static str,
}

impl Launch {
    /// The words to start it with: as its user, and to be killed when whoever starts it dies.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = ["setpriv", "--pdeathsig", "KILL"].map(str::to_owned).into();
        words.extend(as_user(self.user));
        words.push("--".to_owned());
        words.push(self.program.to_string_lossy().into_owned());
        words.extend(self.arguments.iter().cloned());
        words
    }
}

/// What `setpriv` is told so that a program runs as that user.
pub(crate) fn as_user(user: User) -> Vec<String> {
    if crate::directory::ours().is_ok_and(|ours| ours == user) {
        return Vec::new();
    }
    let (id, group) = (user.id, user.group);
    [format!("--reuid={id}"), format!("--regid={group}"), "--clear-groups".to_owned()].into()
}

/// A server's process.
#[derive(Debug)]
pub(crate) struct Server {
    launch: Launch,
    child: Option<Child>,
}

impl Server {
    /// Starts the process and waits until `serves` says yes.
    ///
    /// # Errors
    /// A sentence with the end of the server's log.
    pub(crate) fn start(launch: Launch, serves: &dyn Fn() -> Result<(), String>) -> Result<Self, String> {
        let mut server = Self { launch, child: None };
        server.start_again(serves)?;
        Ok(server)
    }

    /// The same once more, after [`Server::stop`] or [`Server::kill`]. A server whose children of a killed life are
    /// still ending refuses to start; it is tried again until the time is over.
    pub(crate) fn start_again(&mut self, serves: &dyn Fn() -> Result<(), String>) -> Result<(), String> {
        let deadline = Instant::now() + SERVES_WITHIN;
        loop {
            self.spawn()?;
            match self.wait_until(serves, deadline) {
                Ok(()) => return Ok(()),
                Err(Stopped::Ended) if Instant::now() < deadline && self.is_still_locked() => {
                    std::thread::sleep(LOOK_EVERY * 5);
                }
                Err(Stopped::Ended) => return Err(self.failure("ended instead of serving")),
                Err(Stopped::Late(why)) => {
                    self.kill();
                    return Err(self.failure(&format!("does not serve: {why}")));
                }
            }
        }
    }

    fn spawn(&mut self) -> Result<(), String> {
        self.kill();
        let log = std::fs::File::create(&self.launch.log);
        let log = log.map_err(|error| format!("{}: {error}", self.launch.log.display()))?;
        let errors = log.try_clone().map_err(|error| format!("{}: {error}", self.launch.log.display()))?;
        let words = self.launch.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(log).stderr(errors).current_dir("/");
        // A Ctrl-C in the terminal is for us: we end the server when we are done with it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.child = Some(keeper::spawn(command)?);
        Ok(())
    }

    fn wait_until(
        &mut self,
        serves: &dyn Fn() -> Result<(), String>,
        deadline: Instant,
    ) -> Result<(), Stopped> {
        loop {
            let running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
            if !running {
                self.child = None;
                return Err(Stopped::Ended);
            }
            match serves() {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() >= deadline => return Err(Stopped::Late(why)),
                Err(_not_yet) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// PostgreSQL's and InnoDB's words for "my former life still holds the data".
    fn is_still_locked(&self) -> bool {
        let log = self.log();
        ["still in use", "lock file", "Unable to lock"].iter().any(|words| log.contains(words))
    }

    /// Ends it by SIGKILL, as a power cut would. Nothing happens when it does not run.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        let Some(child) = self.child.as_mut() else { return Ok(()) };
        command::signal(child.id(), self.launch.stop_signal)?;
        if command::wait(child, ENDS_WITHIN)?.is_none() {
            self.kill();
            return Err(self.failure("did not end when it was asked to, and was killed"));
        }
        self.child = None;
        Ok(())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(crate) fn log(&self) -> String {
        read(&self.launch.log)
    }

    fn failure(&self, what: &str) -> String {
        failure(&self.launch.program, what, &self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut() {
            // Its own children must have gone too when the directory is removed; a signal may be too late for it.
            drop(command::signal(child.id(), self.launch.end_signal));
            drop(command::wait(child, FORGETS_WITHIN));
        }
        self.kill();
    }
}

enum Stopped {
    Ended,
    Late(String),
}

pub(crate) fn read(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A sentence about a server, with the end of its log.
pub(crate) fn failure(program: &Path, what: &str, log: &str) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let start = log.len().saturating_sub(LOG_KEPT_BYTES);
    let start = (start..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or_default();
    format!("{name} {what}; its log ends:\n{}", &log[start..])
}
