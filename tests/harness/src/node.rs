//! One daemon: started, watched, signalled, restarted.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::{Error, process};

/// A daemon on a busy machine, plugin and certificates included.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longer than any grace period that a test would choose.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything in one process.
    Full,
    /// The management API and its database.
    Api,
    /// The load balancer.
    Lb,
    /// The node pool manager.
    Npm,
    /// A pure runner.
    Runner,
}

impl Role {
    /// The binary that plays it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Npm => "fnnpm",
            Self::Full | Self::Api | Self::Lb | Self::Runner => "fnserver",
        }
    }

    /// Its value of `FN_NODE_TYPE`; an NPM has none.
    #[must_use]
    pub fn node_type(self) -> Option<&'static str> {
        match self {
            Self::Full => Some("full"),
            Self::Api => Some("api"),
            Self::Lb => Some("lb"),
            Self::Runner => Some("pure-runner"),
            Self::Npm => None,
        }
    }
}

/// What a daemon writes to `FN_READY_FILE` once it serves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// `full`, `api`, `lb`, `npm` or `pure-runner`.
    #[serde(default)]
    pub node_type: String,
    /// Its process id.
    pub pid: u32,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Where it serves HTTP.
    pub http: Option<String>,
    /// Where it serves gRPC.
    pub grpc: Option<String>,
}

/// How a node is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) program: PathBuf,
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// Holds its log and its ready file.
    pub(crate) records: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) own_process_group: bool,
}

/// A node of a cluster, running or not.
#[derive(Debug)]
pub struct Node {
    launch: Launch,
    child: Option<Child>,
    ready: Option<Ready>,
    was_killed: bool,
}

impl Node {
    pub(crate) fn new(launch: Launch) -> Self {
        Self { launch, child: None, ready: None, was_killed: false }
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// What it is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.launch.role
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.launch.environment.get(name).map(String::as_str)
    }

    /// All variables of its environment.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.launch.environment
    }

    /// The authority that vouches for its HTTPS certificate; none where it serves in clear.
    #[must_use]
    pub fn trusted(&self) -> Option<PathBuf> {
        self.variable("FN_HTTP_CERT")?;
        self.variable("FN_NODE_CERT_AUTHORITY").or(self.variable("FN_HTTP_CERT")).map(PathBuf::from)
    }

    /// Changes a variable; in force from the next [`Node::restart`].
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.launch.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its HTTP base address, `http://127.0.0.1:41234` (`https://` where it has a certificate for that); empty for a node that serves none.
    #[must_use]
    pub fn http(&self) -> String {
        let address = self.ready.as_ref().and_then(|ready| ready.http.as_deref());
        let scheme = if self.variable("FN_HTTP_CERT").is_some() { "https" } else { "http" };
        address.map(|address| format!("{scheme}://{}", dialable(address))).unwrap_or_default()
    }

    /// Its gRPC address, `127.0.0.1:41235`; empty for a node that serves none.
    #[must_use]
    pub fn grpc(&self) -> String {
        self.ready.as_ref().and_then(|ready| ready.grpc.as_deref()).map(dialable).unwrap_or_default()
    }

    /// The port it serves gRPC on; 0 when it serves none.
    #[must_use]
    pub fn grpc_port(&self) -> u16 {
        port(&self.grpc()).unwrap_or_default()
    }

    /// All that it has logged since the cluster was started, over restarts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Where its log is.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.launch.records.join(format!("{}.log", self.launch.name))
    }

    /// Waits until its log holds a text.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it does not come.
    pub async fn wait_for_log(&self, text: &str, within: Duration) -> Result<(), Error> {
        let what = format!("\"{text}\" in the log of {}", self.name());
        crate::until(&what, within, async || self.log().contains(text)).await
    }

    /// Ends it at once, without giving it a chance: SIGKILL, as a lost machine would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.was_killed = true;
        self.signal("KILL").await?;
        self.wait().await.map(drop)
    }

    /// Asks it to end with SIGTERM and returns at once; [`Node::wait`] tells how it ended.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn terminate(&mut self) -> Result<(), Error> {
        self.signal("TERM").await
    }

    /// Asks it to end and waits for it.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub async fn stop(&mut self) -> Result<ExitStatus, Error> {
        self.terminate().await?;
        self.wait().await
    }

    /// Waits until its process has ended.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it does not end; it has been killed by then.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        let Some(mut child) = self.child.take() else {
            return Err(Error::Shape(format!("node {} does not run", self.name())));
        };
        let what = || format!("node {} to end", self.launch.name);
        match tokio::time::timeout(ENDS_WITHIN, child.wait()).await {
            Ok(ended) => ended.map_err(|source| Error::Spawn { program: what(), source }),
            Err(_late) => {
                drop(child.kill().await);
                Err(Error::Deadline { what: what(), within: ENDS_WITHIN })
            }
        }
    }

    /// Sends it a signal, such as `STOP` and `CONT`.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn signal(&self, name: &str) -> Result<(), Error> {
        let gone = || Error::Shape(format!("node {} does not run", self.name()));
        process::signal(self.pid().ok_or_else(gone)?, name).await
    }

    /// Starts it again with the same addresses, files and variables; one that still runs is asked to end first.
    ///
    /// # Errors
    /// When it does not end with code 0, or does not become ready.
    pub async fn restart(&mut self) -> Result<(), Error> {
        if self.is_running() {
            let status = self.stop().await?;
            if !status.success() {
                return Err(Error::Shape(format!("node {} ended with {status} when asked to", self.name())));
            }
        }
        self.start().await
    }

    /// Starts it and waits until it serves and, where it speaks HTTP, wants traffic.
    pub(crate) async fn start(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        self.spawn()?;
        let ready = self.wait_for_ready_file(started).await?;
        self.keep_addresses(&ready);
        self.ready = Some(ready);
        self.wait_for_traffic(started).await
    }

    fn spawn(&mut self) -> Result<(), Error> {
        let launch = &self.launch;
        drop(std::fs::remove_file(self.ready_file()));
        let path = self.log_file();
        let log =
            OpenOptions::new().create(true).append(true).open(&path).map_err(Error::file("open", &path))?;
        let same = log.try_clone().map_err(Error::file("open", &path))?;
        let mut command = with_parent_watch(&launch.program);
        command.current_dir(&launch.directory).env_clear().envs(inherited()).envs(&launch.environment);
        command.env("FN_READY_FILE", self.ready_file());
        command.stdin(Stdio::null()).stdout(log).stderr(same).kill_on_drop(true);
        if launch.own_process_group {
            command.process_group(0);
        }
        let program = || launch.program.display().to_string();
        self.child = Some(command.spawn().map_err(|source| Error::Spawn { program: program(), source })?);
        Ok(())
    }

    async fn wait_for_ready_file(&mut self, started: Instant) -> Result<Ready, Error> {
        loop {
            if let Ok(bytes) = std::fs::read(self.ready_file()) {
                return serde_json::from_slice(&bytes).map_err(|error| {
                    self.not_started(format!(
                        "{} holds no JSON that we know: {error}",
                        self.ready_file().display()
                    ))
                });
            }
            self.fail_if_ended()?;
            if started.elapsed() > READY_WITHIN {
                return Err(
                    self.not_started(format!("it did not write FN_READY_FILE within {READY_WITHIN:?}"))
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn wait_for_traffic(&mut self, started: Instant) -> Result<(), Error> {
        if self.http().is_empty() {
            return Ok(());
        }
        let client = crate::http::client(self.trusted().as_deref(), Duration::from_secs(5));
        let address = format!("{}/readyz", self.http());
        let mut last;
        loop {
            match client.get(&address).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => last = answer.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            self.fail_if_ended()?;
            if started.elapsed() > READY_WITHIN {
                return Err(self.not_started(format!("GET {address} did not become 200: {last}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn fail_if_ended(&mut self) -> Result<(), Error> {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(Some(status))) => {
                self.child = None;
                Err(self.not_started(format!("it ended with {status}")))
            }
            _ => Ok(()),
        }
    }

    fn not_started(&self, reason: String) -> Error {
        Error::Start { node: self.name().to_owned(), reason, log: self.log() }
    }

    /// A node that comes back must be where its peers look for it.
    fn keep_addresses(&mut self, ready: &Ready) {
        let http = ready.http.as_deref().and_then(port);
        let grpc = ready.grpc.as_deref().and_then(port);
        let (http_variable, grpc_variable) = match self.launch.role {
            Role::Npm => ("", "FN_PORT"),
            Role::Full | Role::Api | Role::Lb | Role::Runner => ("FN_PORT", "FN_GRPC_PORT"),
        };
        for (variable, port) in [(http_variable, http), (grpc_variable, grpc)] {
            if let Some(port) = port.filter(|_| !variable.is_empty()) {
                self.launch.environment.insert(variable.to_owned(), port.to_string());
            }
        }
    }

    fn ready_file(&self) -> PathBuf {
        self.launch.records.join(format!("{}.ready", self.launch.name))
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// Whether it has been started and nobody has waited for its end: it should still run.
    pub(crate) fn should_run(&self) -> bool {
        self.child.is_some()
    }

    /// For `Drop`: ends it without waiting for long.
    pub(crate) fn end_now(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.start_kill());
            for _ in 0..200 {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}

/// Asks the kernel to end the daemon when the test process dies without a word: a test that was killed at its
/// deadline must leave nothing that runs. `setpriv` is part of every Debian; elsewhere we do without.
fn with_parent_watch(program: &Path) -> Command {
    let Some(setpriv) = process::find("setpriv") else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

/// What a daemon may see of our own environment: the way to programs and to Docker, and nothing that configures it.
fn inherited() -> impl Iterator<Item = (String, String)> {
    let kept = ["PATH", "HOME", "LANG", "RUST_BACKTRACE", "LD_LIBRARY_PATH"];
    std::env::vars().filter(move |(name, _)| kept.contains(&name.as_str()) || name.starts_with("DOCKER_"))
}

/// An address that was bound to every interface is dialled on loopback.
fn dialable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]" | "", port)) => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    }
}

fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(directory: &Path, text: &str) -> Node {
        let program = directory.join("daemon");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Node::new(Launch {
            name: "npm".to_owned(),
            role: Role::Npm,
            program,
            directory: directory.to_path_buf(),
            records: directory.to_path_buf(),
            environment: BTreeMap::from([("FN_PORT".to_owned(), "0".to_owned())]),
            own_process_group: false,
        })
    }

    #[tokio::test]
    async fn a_daemon_that_ends_early_is_an_error_with_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let error =
            script(directory.path(), "echo bad variable >&2; exit 64").start().await.unwrap_err().to_string();
        assert!(error.contains("exit status: 64") && error.contains("bad variable"), "{error}");
    }

    #[tokio::test]
    async fn a_restarted_daemon_is_given_the_port_that_it_had() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"echo "port $FN_PORT"; trap 'exit 0' TERM
            echo '{"pid":1,"grpc":"0.0.0.0:4711"}' > "$FN_READY_FILE.new"; mv "$FN_READY_FILE.new" "$FN_READY_FILE"
            while :; do sleep 0.01; done"#;
        let mut node = script(directory.path(), text);
        node.start().await.unwrap();
        assert_eq!(node.grpc(), "127.0.0.1:4711");
        node.restart().await.unwrap();
        assert_eq!(node.log(), "port 0\nport 4711\n");
        assert!(node.stop().await.unwrap().success());
    }

    #[test]
    fn only_addresses_of_all_interfaces_are_replaced() {
        assert_eq!(dialable("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(dialable("[::]:80"), "127.0.0.1:80");
        assert_eq!(dialable("192.0.2.7:80"), "192.0.2.7:80");
    }
}
