//! A cluster that runs, and its end.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Api, Error, Front, Node, Role, docker, logs, process, until};

mod builder;
mod shape;

pub use builder::{Builder, Step};
pub use shape::Tls;

/// A runner that has ended has removed its containers; this only allows for the engine's own view to follow.
const CONTAINERS_GONE_WITHIN: Duration = Duration::from_secs(10);

/// The operator's tool on a busy machine.
const TOOL_ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How much of each log is printed when a test fails; the files are gone with the test.
const LOG_SHOWN_BYTES: usize = 20_000;

/// The label that every container of a runner has with the value of its `FN_CONTAINER_LABEL_TAG`.
const OWNER_LABEL: &str = "fn-agent-classifier";

/// Daemons that belong together. See the crate's documentation for an example.
///
/// End it with [`Cluster::shutdown`]; a cluster that is dropped before, as by a failed assertion, prints its logs
/// and is taken down the hard way.
#[derive(Debug)]
pub struct Cluster {
    home: TempDir,
    label: String,
    allowed: Vec<String>,
    nodes: Vec<Node>,
    /// The operator's tool.
    tool: PathBuf,
    ended: bool,
    /// Whether a drop without an end is a failure: not before all nodes are there, and only for a test.
    strict: bool,
}

impl Cluster {
    /// Begins the description of a cluster.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn new(home: TempDir, label: String, allowed: Vec<String>, tool: PathBuf) -> Self {
        Self { home, label, allowed, nodes: Vec::new(), tool, ended: false, strict: false }
    }

    fn add(&mut self, node: Node) {
        self.nodes.push(node);
    }

    /// The management API: of the API node, else of the full node.
    ///
    /// # Panics
    /// When the cluster has neither.
    #[must_use]
    pub fn api(&self) -> Api {
        let node = self.first(&[Role::Api, Role::Full]);
        Api::of(node.http(), node.trusted())
    }

    /// Where calls go: the LB, else the full node.
    ///
    /// # Panics
    /// When the cluster has neither.
    #[must_use]
    pub fn front(&self) -> Front {
        let node = self.first(&[Role::Lb, Role::Full]);
        Front::of(node.http(), node.trusted())
    }

    /// The management API of one of several API nodes.
    pub fn api_at(&mut self, name: &str) -> Api {
        let node = self.node(name);
        Api::of(node.http(), node.trusted())
    }

    /// One of several LBs.
    pub fn front_at(&mut self, name: &str) -> Front {
        let node = self.node(name);
        Front::of(node.http(), node.trusted())
    }

    /// Runs the operator's tool with a node's variables, as on its machine: `remuda <arguments>`. What it printed.
    ///
    /// # Errors
    /// When it fails.
    pub async fn remuda(&mut self, node: &str, arguments: &[&str]) -> Result<String, Error> {
        let mut command = tokio::process::Command::new(&self.tool);
        command.args(arguments).envs(self.node(node).variables());
        process::run(&mut command, TOOL_ENDS_WITHIN).await
    }

    /// A node by its name.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn node(&mut self, name: &str) -> &mut Node {
        let names: Vec<String> = self.nodes.iter().map(|node| node.name().to_owned()).collect();
        let found = self.nodes.iter_mut().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("there is no node {name:?}; there are {}", names.join(", ")))
    }

    /// All nodes, in the order in which they were started.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The label that all containers of this cluster carry, `key=value`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The containers of this cluster: name, image and state of each.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self) -> Result<Vec<String>, Error> {
        docker::containers(&self.label).await
    }

    /// The containers that one runner, or the full node, has started.
    ///
    /// # Errors
    /// When the engine does not answer.
    ///
    /// # Panics
    /// When there is no node of that name.
    pub async fn containers_of(&self, runner: &str) -> Result<Vec<String>, Error> {
        let node = self.nodes.iter().find(|node| node.name() == runner);
        let tag = node.and_then(|node| node.variable("FN_CONTAINER_LABEL_TAG"));
        let tag =
            tag.unwrap_or_else(|| panic!("there is no runner {runner:?} with a tag for its containers"));
        docker::containers(&format!("{OWNER_LABEL}={tag}")).await
    }

    /// The name of the runner that started a container, by the container's id or name.
    ///
    /// # Errors
    /// When there is no such container.
    pub async fn runner_of(&self, container: &str) -> Result<String, Error> {
        let tag = docker::label_of(container, OWNER_LABEL).await?;
        self.owner_of_tag(container, &tag)
    }

    /// Watches the containers of this cluster from now on, to know afterwards which runner had started one that is
    /// gone by then: see [`Cluster::runner_of_born`].
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn watch_births(&self) -> Result<docker::Births, Error> {
        docker::Births::watch(&self.label, OWNER_LABEL)
    }

    /// As [`Cluster::runner_of`], for any container that was made since [`Cluster::watch_births`].
    ///
    /// # Errors
    /// When there never was such a container.
    pub async fn runner_of_born(&self, births: &docker::Births, container: &str) -> Result<String, Error> {
        let tag = births.label_of(container).await?;
        self.owner_of_tag(container, &tag)
    }

    fn owner_of_tag(&self, container: &str, tag: &str) -> Result<String, Error> {
        let owner = self.nodes.iter().find(|node| node.variable("FN_CONTAINER_LABEL_TAG") == Some(tag));
        let nobody =
            || Error::Shape(format!("container {container} ({tag:?}) belongs to no runner of this cluster"));
        owner.map(|node| node.name().to_owned()).ok_or_else(nobody)
    }

    /// The cluster's own directory: logs, certificates, databases. It is gone with the cluster.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Announces a warning or an error, as [`Builder::allow_log`] does.
    pub fn allow_log(&mut self, text: &str) {
        self.allowed.push(text.to_owned());
    }

    /// Ends the cluster and fails on anything that is not clean: a node that was gone, or does not end with code 0
    /// on SIGTERM; a container or a socket directory that is left; a complaint in a log that nobody announced.
    ///
    /// # Errors
    /// [`Error::Unclean`] with all reasons.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        let mut problems = self.stop_nodes().await;
        problems.extend(self.what_is_left().await);
        problems.extend(self.unexpected_complaints());
        self.ended = true;
        if problems.is_empty() {
            return Ok(());
        }
        self.print_logs();
        docker::remove_containers(&self.label).await?;
        Err(Error::Unclean(problems))
    }

    /// Ends the cluster cleanly without judging its logs: for `cargo xtask up`.
    ///
    /// # Errors
    /// [`Error::Unclean`] when a node did not end or something is left.
    pub async fn stop(mut self) -> Result<(), Error> {
        let mut problems = self.stop_nodes().await;
        problems.extend(self.what_is_left().await);
        self.ended = true;
        if problems.is_empty() {
            return Ok(());
        }
        docker::remove_containers(&self.label).await?;
        Err(Error::Unclean(problems))
    }

    /// Those that dial end before those that are dialled, so that nobody sees a peer vanish.
    async fn stop_nodes(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for node in self.nodes.iter_mut().rev() {
            if !node.should_run() {
                continue;
            }
            if !node.is_running() {
                problems.push(format!("node {} had ended before it was asked to", node.name()));
                continue;
            }
            match node.stop().await {
                Ok(status) if status.success() => {}
                Ok(status) => problems.push(format!("node {} ended with {status} on SIGTERM", node.name())),
                Err(error) => problems.push(error.to_string()),
            }
        }
        problems
    }

    async fn what_is_left(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for node in self.nodes.iter().filter(|node| node.was_killed()) {
            // What a killed runner has left is its fault no more than a lost machine's; its successor removes it.
            if let Some(tag) = node.variable("FN_CONTAINER_LABEL_TAG") {
                drop(docker::remove_containers(&format!("{OWNER_LABEL}={tag}")).await);
            }
        }
        if self.nodes.iter().any(|node| matches!(node.role(), Role::Full | Role::Runner)) {
            let mut left = Vec::new();
            let gone = until("containers to be gone", CONTAINERS_GONE_WITHIN, async || {
                left = docker::containers(&self.label).await.unwrap_or_default();
                left.is_empty()
            });
            if gone.await.is_err() {
                problems.push(format!(
                    "containers with the label {} are left: {}",
                    self.label,
                    left.join("; ")
                ));
            }
        }
        for node in self.nodes.iter().filter(|node| !node.was_killed()) {
            let Some(directory) = node.variable("FN_IOFS_PATH") else { continue };
            let left: Vec<String> = std::fs::read_dir(directory)
                .map(|entries| entries.flatten().map(|entry| entry.path().display().to_string()).collect())
                .unwrap_or_default();
            if !left.is_empty() {
                problems.push(format!("node {} left sockets behind: {}", node.name(), left.join(", ")));
            }
        }
        problems
    }

    fn unexpected_complaints(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for node in &self.nodes {
            for complaint in logs::complaints(&node.log()) {
                if !self.allowed.iter().any(|allowed| complaint.text.contains(allowed.as_str())) {
                    problems.push(format!(
                        "log of {}, line {}: {}",
                        node.name(),
                        complaint.line,
                        complaint.text
                    ));
                }
            }
        }
        problems
    }

    fn give_up(&mut self) {
        self.nodes.iter_mut().for_each(Node::end_now);
        docker::remove_containers_now(&self.label);
        self.ended = true;
    }

    fn print_logs(&self) {
        for node in &self.nodes {
            let log = node.log();
            eprintln!(
                "--- log of {} ({} bytes) ---\n{}",
                node.name(),
                log.len(),
                process::end_of(&log, LOG_SHOWN_BYTES)
            );
        }
    }

    fn first(&self, roles: &[Role]) -> &Node {
        let found = roles.iter().find_map(|role| self.nodes.iter().find(|node| node.role() == *role));
        found.unwrap_or_else(|| panic!("this cluster has no node of {roles:?}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if !self.strict {
            self.give_up();
            return;
        }
        self.print_logs();
        self.give_up();
        // A test that forgets the end has checked neither logs nor leaks, and must not pass.
        assert!(
            std::thread::panicking(),
            "a cluster was dropped without shutdown(): by an early return, or forgotten"
        );
    }
}
