//! Describing a cluster and starting it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::shape::{self, Planned, Shape, Surroundings};
use super::{Cluster, Tls};
use crate::certificates::{self, Identity};
use crate::node::Launch;
use crate::{Error, Node, Role, daemons, docker};

/// What is told to a [`Builder::on_step`] listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Certificates are being made.
    Certificates,
    /// A node is being started.
    Starting(&'a str),
    /// A node serves.
    Serves(&'a str),
}

type Listener = Box<dyn Fn(Step<'_>) + Send + Sync>;

/// Describes a cluster: any number of nodes, how they trust each other, and their variables.
pub struct Builder {
    shape: Shape,
    tls: Option<Tls>,
    https: bool,
    programs: Vec<(String, String)>,
    given: Vec<(String, String, String)>,
    allowed: Vec<String>,
    only_given: bool,
    directory: Option<PathBuf>,
    label_key: String,
    interactive: bool,
    listener: Option<Listener>,
    daemons: Option<daemons::Daemons>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            shape: Shape::default(),
            tls: None,
            https: false,
            programs: Vec::new(),
            given: Vec::new(),
            allowed: Vec::new(),
            only_given: false,
            directory: None,
            label_key: "remuda.test".to_owned(),
            interactive: false,
            listener: None,
            daemons: None,
        }
    }

    /// Adds a full node, called `full`.
    #[must_use]
    pub fn full(self) -> Self {
        self.add(Role::Full, None)
    }

    /// Adds an API node, called `api`; the second is called `api-2`. Several share nothing but what variables say:
    /// give them one `FN_DB_URL`. LBs are told the addresses of all.
    #[must_use]
    pub fn api(self) -> Self {
        self.add(Role::Api, None)
    }

    /// Adds a load balancer, called `lb`. It gets its runners from the NPM where there is one, else it is given the
    /// addresses of all runners.
    #[must_use]
    pub fn lb(self) -> Self {
        self.add(Role::Lb, None)
    }

    /// Adds a node pool manager, called `npm`, with a plugin: a package of this workspace (`noop`), or a path.
    #[must_use]
    pub fn npm(mut self, plugin: &str) -> Self {
        self.shape.plugin = Some(plugin.to_owned());
        self.add(Role::Npm, None)
    }

    /// Adds a runner that belongs to a group, and is called after it.
    #[must_use]
    pub fn runner(self, group: &str) -> Self {
        self.add(Role::Runner, Some(group))
    }

    /// Adds a runner that serves every group, called `runner`.
    #[must_use]
    pub fn shared_runner(self) -> Self {
        self.add(Role::Runner, None)
    }

    /// How the nodes trust each other. Without a word: one self-signed certificate when there is an NPM, else none.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Starts another program as a node: an example of this workspace by its name.
    #[must_use]
    pub fn program(mut self, node: &str, program: &str) -> Self {
        self.programs.push((node.to_owned(), program.to_owned()));
        self
    }

    /// Has the nodes serve HTTP over TLS, with the certificates that [`Builder::tls`] says. The cluster's own clients
    /// trust them.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Sets a variable of one node by its name, of all runners (`runners`), or of every node (`*`).
    #[must_use]
    pub fn env(mut self, node: &str, name: &str, value: impl Into<String>) -> Self {
        self.given.push((node.to_owned(), name.to_owned(), value.into()));
        self
    }

    /// Announces a warning or an error: log lines that contain this text do not fail the test. Name what the test
    /// provokes, and nothing wider.
    #[must_use]
    pub fn allow_log(mut self, text: &str) -> Self {
        self.allowed.push(text.to_owned());
        self
    }

    /// Gives the nodes no variable besides those set with [`Builder::env`], `FN_READY_FILE` and, for those that
    /// start containers, the label. For tests of what an operator types.
    #[must_use]
    pub fn only_given_variables(mut self) -> Self {
        self.only_given = true;
        self
    }

    /// Runs every node in this working directory instead of one of its own.
    #[must_use]
    pub fn working_directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_path_buf());
        self
    }

    /// Labels containers with this key instead of `remuda.test`.
    #[must_use]
    pub fn label_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.label_key);
        self
    }

    /// For `cargo xtask up` instead of a test: a Ctrl-C in our terminal does not reach the nodes, so that we decide
    /// in which order they end, and dropping the cluster is no failure.
    #[must_use]
    pub fn interactive(mut self) -> Self {
        self.interactive = true;
        self
    }

    /// Tells a listener what happens while the cluster starts.
    #[must_use]
    pub fn on_step(mut self, listener: impl Fn(Step<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Uses these daemons instead of [`daemons::get`]: a release build, or that of another commit.
    #[must_use]
    pub fn daemons(mut self, daemons: daemons::Daemons) -> Self {
        self.daemons = Some(daemons);
        self
    }

    fn add(mut self, role: Role, group: Option<&str>) -> Self {
        self.shape.add(role, group);
        self
    }

    /// Starts every node, each once the addresses that it needs are known, and returns when all of them serve.
    ///
    /// # Errors
    /// When no Docker Engine answers, the daemons cannot be built, or a node does not become ready: then with its
    /// log. What had been started is stopped.
    pub async fn start(self) -> Result<Cluster, Error> {
        let plan = self.shape.in_order()?;
        if plan.iter().any(|node| matches!(node.role, Role::Full | Role::Runner)) {
            docker::require().await?;
        }
        let daemons = match &self.daemons {
            Some(daemons) => daemons.clone(),
            None => daemons::get().await?.clone(),
        };
        let prefix = format!("remuda-{}-", std::process::id());
        let home =
            tempfile::Builder::new().prefix(&prefix).tempdir().map_err(Error::file("create", "/tmp"))?;
        let id = home.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut around = Surroundings {
            directory: home.path().to_path_buf(),
            label: format!("{}={id}", self.label_key),
            https: self.https,
            ..Surroundings::default()
        };
        let tls = self.tls.unwrap_or(if self.shape.has(Role::Npm) { Tls::SelfSigned } else { Tls::None });
        let identities = self.identities(tls, &plan, home.path(), &daemons).await?;
        let tool = daemons.program("remuda")?.to_path_buf();
        let mut cluster = Cluster::new(home, around.label.clone(), self.allowed.clone(), tool);
        for planned in plan {
            self.tell(Step::Starting(&planned.name));
            around.tag = format!("{id}-{}", planned.name);
            around.identity = identities.get(&planned.name).cloned();
            let launch = self.launch(&planned, &mut around, &daemons)?;
            let mut node = Node::new(launch);
            let started = node.start().await;
            note_address(&planned, &node, &mut around);
            cluster.add(node);
            if let Err(error) = started {
                cluster.give_up();
                return Err(error);
            }
            self.tell(Step::Serves(&planned.name));
        }
        cluster.strict = !self.interactive;
        Ok(cluster)
    }

    fn tell(&self, step: Step<'_>) {
        if let Some(listener) = &self.listener {
            listener(step);
        }
    }

    async fn identities(
        &self,
        tls: Tls,
        plan: &[Planned],
        home: &Path,
        daemons: &daemons::Daemons,
    ) -> Result<BTreeMap<String, Identity>, Error> {
        if tls == Tls::None || self.only_given {
            return Ok(BTreeMap::new());
        }
        self.tell(Step::Certificates);
        let directory = home.join("certificates");
        let names: Vec<String> = plan.iter().map(|node| node.name.clone()).collect();
        if tls == Tls::Authority {
            certificates::authority(daemons, &directory, &names).await?;
            return Ok(names
                .iter()
                .map(|name| (name.clone(), Identity::of_node(&directory, name)))
                .collect());
        }
        let shared = certificates::self_signed(daemons, &directory, tls == Tls::SelfSignedCa).await?;
        Ok(names.into_iter().map(|name| (name, shared.clone())).collect())
    }

    fn launch(
        &self,
        planned: &Planned,
        around: &mut Surroundings,
        daemons: &daemons::Daemons,
    ) -> Result<Launch, Error> {
        let own = around.directory.join(&planned.name);
        std::fs::create_dir_all(own.join("io")).map_err(Error::file("create", &own))?;
        if planned.role == Role::Npm && !self.only_given {
            around.plugin =
                Some(place_plugin(self.shape.plugin.as_deref().unwrap_or("noop"), &own, daemons)?);
        }
        let mut environment =
            if self.only_given { BTreeMap::new() } else { shape::variables(planned, around) };
        if matches!(planned.role, Role::Full | Role::Runner) {
            environment.insert("FN_CONTAINER_LABELS".to_owned(), around.label.clone());
        }
        for (node, name, value) in &self.given {
            let is_runner = node == "runners" && planned.role == Role::Runner;
            if node == "*" || is_runner || *node == planned.name {
                environment.insert(name.clone(), value.clone());
            }
        }
        let other = self.programs.iter().find(|(node, _)| *node == planned.name);
        let program = other.map_or(planned.role.program(), |(_, program)| program);
        Ok(Launch {
            name: planned.name.clone(),
            role: planned.role,
            program: daemons.program(program)?.to_path_buf(),
            directory: self.directory.clone().unwrap_or(own),
            records: around.directory.clone(),
            environment,
            own_process_group: self.interactive,
        })
    }
}

/// Puts a plugin of this workspace into the NPM's working directory under the bare name that an operator types; a
/// path is used as it is.
fn place_plugin(plugin: &str, directory: &Path, daemons: &daemons::Daemons) -> Result<String, Error> {
    if plugin.contains('/') {
        return Ok(plugin.to_owned());
    }
    let name = format!("{plugin}.so");
    let built = daemons.plugin(plugin)?;
    std::fs::copy(built, directory.join(&name)).map_err(Error::file("copy", built))?;
    Ok(name)
}

fn note_address(planned: &Planned, node: &Node, around: &mut Surroundings) {
    match planned.role {
        Role::Runner => around.runners.push((planned.group.clone(), node.grpc())),
        Role::Npm => around.npm = Some(node.grpc()),
        Role::Api => around.api.push(node.http()),
        Role::Full | Role::Lb => {}
    }
}
