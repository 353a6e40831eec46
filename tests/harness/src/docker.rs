//! The Docker Engine, through its command line: whether it answers, making it answer, images and containers.
//!
//! The harness uses the `docker` program and no client library, so that a fault in how the daemons talk to the
//! engine cannot hide itself by being made twice.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::{Error, process, until};

/// Where the log of an engine that we started is kept.
pub const ENGINE_LOG: &str = "/var/log/remuda-dockerd.log";

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const INSTALLS_WITHIN: Duration = Duration::from_secs(10 * 60);
const COMMAND_WITHIN: Duration = Duration::from_secs(120);

/// How the engine came to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// It answered already.
    Found,
    /// It was started, with this process id; it is left running, since others may use it by now.
    Started(u32),
    /// The machine's service supervisor started it.
    StartedAsService,
}

/// The version of the engine that answers, if one does.
pub async fn version() -> Option<String> {
    let mut command = Command::new("docker");
    command.args(["version", "--format", "{{.Server.Version}}"]);
    process::run(&mut command, ANSWERS_WITHIN).await.ok().filter(|version| !version.is_empty())
}

/// Fails when no engine answers, in one sentence. What tests call.
///
/// # Errors
/// [`Error::Docker`].
pub async fn require() -> Result<(), Error> {
    if version().await.is_some() {
        return Ok(());
    }
    Err(Error::Docker(format!(
        "no Docker Engine answers at {}: start one, or run `cargo xtask test`, which does",
        address()
    )))
}

/// Makes sure that an engine answers: installs Debian's `docker.io` and starts `dockerd` where that is needed and
/// allowed (Debian, root, no `DOCKER_HOST`). `say` is told before each slow step.
///
/// # Errors
/// [`Error::Docker`] with one sentence when none answers and none may be started.
pub async fn ensure(say: &(dyn Fn(&str) + Sync)) -> Result<Engine, Error> {
    if version().await.is_some() {
        return Ok(Engine::Found);
    }
    if std::env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty()) {
        return Err(Error::Docker(format!("no Docker Engine answers at {} (DOCKER_HOST)", address())));
    }
    if !is_root().await {
        return Err(Error::Docker(format!(
            "no Docker Engine answers at {}, and only root may install or start one: start it, or run this as root",
            address()
        )));
    }
    if process::find("dockerd").is_none() || process::find("docker").is_none() {
        say("installing docker.io");
        install(&["docker.io"]).await?;
        if process::find("docker").is_none() {
            // Later releases of Debian keep the command line in a package of its own.
            install(&["docker-cli"]).await?;
        }
    }
    say("starting the Docker Engine");
    start().await
}

/// Installs Debian packages that are missing, as root, without asking anything.
///
/// # Errors
/// [`Error::Docker`] where there is no apt-get or no right to use it; else what apt-get said.
pub async fn install(packages: &[&str]) -> Result<(), Error> {
    let names = packages.join(" ");
    if process::find("apt-get").is_none() {
        return Err(Error::Docker(format!("cannot install {names}: this is no Debian (no apt-get)")));
    }
    if !is_root().await {
        return Err(Error::Docker(format!(
            "cannot install {names}: only root may; install it and try again"
        )));
    }
    let line = format!(
        "export DEBIAN_FRONTEND=noninteractive\n\
         apt-get -qq -y install --no-install-recommends {names} \
         || {{ apt-get -qq update && apt-get -qq -y install --no-install-recommends {names}; }}"
    );
    process::shell(&line, INSTALLS_WITHIN).await.map(drop)
}

/// Whether we are root: only then may packages be installed and an engine be started.
pub async fn is_root() -> bool {
    process::run(Command::new("id").arg("-u"), COMMAND_WITHIN).await.is_ok_and(|id| id == "0")
}

async fn start() -> Result<Engine, Error> {
    let supervised = Path::new("/run/systemd/system").is_dir();
    let engine = if supervised {
        process::shell("systemctl start docker", STARTS_WITHIN).await?;
        Engine::StartedAsService
    } else {
        Engine::Started(start_in_background().await?)
    };
    let why = |_| {
        let log = std::fs::read_to_string(ENGINE_LOG).unwrap_or_default();
        let end = process::end_of(&log, 2_000);
        Error::Docker(format!(
            "the Docker Engine was started but does not answer; its log ({ENGINE_LOG}) ends:\n{end}"
        ))
    };
    until("the Docker Engine to answer", STARTS_WITHIN, async || version().await.is_some())
        .await
        .map_err(why)?;
    Ok(engine)
}

/// Starts `dockerd` in a session of its own: it must outlive us, and a Ctrl-C in our terminal is not meant for it.
async fn start_in_background() -> Result<u32, Error> {
    // The files of an engine that was killed would stop a new one from starting.
    let line = format!(
        "pgrep -x dockerd >/dev/null 2>&1 || rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid\n\
         setsid --fork dockerd >>{ENGINE_LOG} 2>&1 </dev/null"
    );
    process::shell(&line, STARTS_WITHIN).await?;
    let mut pid = None;
    until("dockerd to write its process id", STARTS_WITHIN, async || {
        pid = std::fs::read_to_string("/var/run/docker.pid").ok().and_then(|text| text.trim().parse().ok());
        pid.is_some()
    })
    .await?;
    Ok(pid.unwrap_or_default())
}

/// The names of the containers that carry a label (`key` or `key=value`), running or not.
///
/// # Errors
/// When the engine does not answer.
pub async fn containers(label: &str) -> Result<Vec<String>, Error> {
    let mut command = Command::new("docker");
    command.args(["ps", "--all", "--filter", &format!("label={label}"), "--format"]);
    command.arg("{{.Names}} {{.Image}} {{.Status}}");
    let text = process::run(&mut command, COMMAND_WITHIN).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The value of a label of a container, by the container's id or name; empty when it has no such label.
///
/// # Errors
/// When there is no such container.
pub async fn label_of(container: &str, label: &str) -> Result<String, Error> {
    let mut command = Command::new("docker");
    command.args(["inspect", "--format", &format!("{{{{index .Config.Labels \"{label}\"}}}}"), container]);
    process::run(&mut command, COMMAND_WITHIN).await
}

/// All values of a label among the containers that are there, each once.
///
/// # Errors
/// When the engine does not answer.
pub async fn label_values(label: &str) -> Result<Vec<String>, Error> {
    let mut command = Command::new("docker");
    command.args(["ps", "--all", "--filter", &format!("label={label}"), "--format"]);
    command.arg(format!("{{{{.Label \"{label}\"}}}}"));
    let text = process::run(&mut command, COMMAND_WITHIN).await?;
    let mut values: Vec<String> = text.lines().map(str::to_owned).collect();
    values.sort();
    values.dedup();
    Ok(values)
}

/// Watches which containers are made, and remembers them when they are gone.
#[derive(Debug)]
pub struct Births {
    lines: tempfile::NamedTempFile,
    _events: tokio::process::Child,
}

impl Births {
    /// Watches containers with a label, and keeps for each the value of another one.
    ///
    /// # Errors
    /// When `docker events` cannot be started.
    pub fn watch(label: &str, keep: &str) -> Result<Self, Error> {
        let lines = tempfile::NamedTempFile::new().map_err(Error::file("create", std::env::temp_dir()))?;
        let out = lines.reopen().map_err(Error::file("open", lines.path()))?;
        let mut command = Command::new("docker");
        // From a little before now: what happens while the program is still connecting counts too.
        command.args(["events", "--since", "10s", "--filter", "type=container", "--filter", "event=create"]);
        command.args(["--filter", &format!("label={label}"), "--format"]);
        command.arg(format!("{{{{.Actor.ID}}}} {{{{index .Actor.Attributes \"{keep}\"}}}}"));
        command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).kill_on_drop(true);
        let spawned =
            command.spawn().map_err(|source| Error::Spawn { program: "docker events".to_owned(), source })?;
        Ok(Self { lines, _events: spawned })
    }

    /// The kept label of a container, by the start of its id; waits for the event of one that is very young.
    ///
    /// # Errors
    /// [`Error::Deadline`] when no such container was made.
    pub async fn label_of(&self, container: &str) -> Result<String, Error> {
        let mut found = None;
        until(&format!("the birth of container {container:?}"), ANSWERS_WITHIN, async || {
            let text = std::fs::read_to_string(self.lines.path()).unwrap_or_default();
            let line = text.lines().find(|line| !container.is_empty() && line.starts_with(container));
            found = line.and_then(|line| line.split_once(' ')).map(|(_, label)| label.to_owned());
            found.is_some()
        })
        .await?;
        Ok(found.unwrap_or_default())
    }
}

/// Removes all containers that carry a label, one after another: Docker 20.10 does not survive dozens at once.
///
/// # Errors
/// When the engine does not answer or keeps one.
pub async fn remove_containers(label: &str) -> Result<(), Error> {
    let line =
        format!("docker ps -aq --filter 'label={label}' | while read -r id; do docker rm -f \"$id\"; done");
    process::shell(&line, COMMAND_WITHIN).await.map(drop)
}

/// The same, for places that cannot wait: `Drop`, mostly. Failures are silent, because such a place has something
/// better to report.
pub(crate) fn remove_containers_now(label: &str) {
    let line =
        format!("docker ps -aq --filter 'label={label}' | while read -r id; do docker rm -f \"$id\"; done");
    let mut command = std::process::Command::new("timeout");
    command
        .args(["60", "bash", "-c", &line])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    drop(command.status());
}

/// Whether the engine has an image of that name.
pub async fn has_image(name: &str) -> bool {
    let mut command = Command::new("docker");
    command.args(["image", "inspect", "--format", "{{.Id}}", name]);
    process::run(&mut command, COMMAND_WITHIN).await.is_ok()
}

/// Makes an image out of a directory: its files and nothing else, with these changes (`ENTRYPOINT ["/x"]`).
///
/// # Errors
/// When tar or the engine fails.
pub async fn import(directory: &Path, changes: &[&str], name: &str) -> Result<(), Error> {
    let quote = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let changes: String = changes.iter().map(|change| format!(" --change {}", quote(change))).collect();
    let directory = quote(&directory.to_string_lossy());
    let line =
        format!("tar -C {directory} --owner=0 --group=0 -c . | docker import{changes} - {}", quote(name));
    process::shell(&line, COMMAND_WITHIN).await.map(drop)
}

fn address() -> String {
    let given = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    given.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned())
}
