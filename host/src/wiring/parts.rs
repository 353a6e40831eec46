//! What several kinds of node are made of.

use crate::Failure;
use crate::config::CertFiles;
use crate::env::{Agent, Container};
use async_trait::async_trait;
use remuda_core::port::{Executor, Invoker, Offer, Outcome, Taken};
use remuda_core::{Answer, Body, Call, Fault, IdSource};
use remuda_engine::{Docker, docker};
use remuda_runner::{Options, Runner};
use remuda_wire::tls;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Engine clean-up that is still under way when a node stops gets this long.
const ENGINE_CLOSE: Duration = Duration::from_secs(30);

/// Ids that no other node makes.
pub(super) fn ids() -> Arc<IdSource> {
    Arc::new(IdSource::new(rand::random()))
}

/// Loads a node's certificates; a file that cannot be used is the operator's to fix.
pub(super) fn identity(certs: &CertFiles) -> Result<tls::Identity, Failure> {
    let paths = tls::Paths {
        certificate: certs.cert.clone(),
        key: certs.key.clone(),
        authority: certs.authority.clone(),
    };
    tls::Identity::load(&paths).map_err(unusable("the node's certificates (FN_NODE_CERT…) cannot be used"))
}

/// What an operator is told whose files cannot be used: `what`, and the chain of reasons.
pub(super) fn unusable<E: std::error::Error>(what: &str) -> impl FnOnce(E) -> Failure {
    move |error| {
        let mut text = format!("{what}: {error}");
        let mut next = error.source();
        while let Some(cause) = next {
            text.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Failure::Unusable(text)
    }
}

/// A runner with its engine.
pub(super) struct Machinery {
    pub(super) runner: Arc<Runner>,
    engine: Arc<Docker>,
}

impl Machinery {
    /// Connects to the engine, removes what an earlier life left, and makes a runner with `adjust`ed options.
    pub(super) async fn start(
        container: &Container,
        agent: &Agent,
        ids: Arc<IdSource>,
        adjust: impl FnOnce(Options) -> Options,
    ) -> Result<Self, Failure> {
        use remuda_core::port::Engine;
        let memory = remuda_runner::usable_memory(container.max_total_memory)
            .map_err(Failure::to("measure the memory for containers"))?;
        let sockets = match &container.iofs_path {
            Some(path) => path.clone(),
            None => {
                private_directory().map_err(Failure::to("make a directory for sockets (set FN_IOFS_PATH)"))?
            }
        };
        let engine = Docker::connect(engine_options(container, agent, &ids, sockets))
            .await
            .map_err(Failure::to("connect to the Docker Engine (DOCKER_HOST)"))?;
        match engine.sweep().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed containers of an earlier life"),
            Err(fault) => {
                tracing::warn!(error = %fault.chain(), "could not remove containers of an earlier life")
            }
        }
        let options =
            adjust(Options { start_timeout: container.hot_start_timeout.0, ..Options::new(memory) });
        tracing::info!(memory_mb = memory.0, refuse_when_full = options.refuse_when_full, "runs containers");
        Ok(Self { runner: Runner::new(options, engine.clone(), ids), engine })
    }

    /// Lets calls in hand end within `grace`, and removes all containers.
    pub(super) async fn close(&self, grace: Duration) {
        self.runner.close(grace).await;
        if !self.engine.close(ENGINE_CLOSE).await {
            tracing::warn!("some containers could not be removed in time");
        }
    }
}

fn engine_options(container: &Container, agent: &Agent, ids: &IdSource, sockets: PathBuf) -> docker::Options {
    let instance = ids.next(remuda_core::Timestamp::from(std::time::SystemTime::now()));
    let ownership = |classifier: &String| docker::Ownership { classifier: classifier.clone(), instance };
    docker::Options {
        host: container.docker_host.as_ref().map(|host| host.0.clone()),
        networks: container.networks.0.clone(),
        iofs_dir: sockets,
        iofs_docker_dir: container.iofs_docker_path.clone(),
        labels: container.labels.0.iter().cloned().collect(),
        ownership: container.label_tag.as_ref().map(ownership),
        limits: docker::ResourceLimits {
            pids: container.max_pids,
            open_files: Some(container.max_open_files),
            locked_memory_bytes: Some(container.max_locked_memory),
            pending_signals: Some(container.max_pending_signals),
            message_queue_bytes: Some(container.max_message_queue),
        },
        read_only_root: !container.disable_readonly_rootfs,
        unprivileged: !container.disable_unprivileged,
        allow_volumes: container.enable_volumes,
        max_fs_size_mb: container.max_fs_size_mb,
        max_tmpfs_inodes: container.max_tmpfs_inodes,
        max_response_header_bytes: usize::try_from(container.max_response_header_size).unwrap_or(usize::MAX),
        max_response_bytes: agent.max_response_size,
        pull_timeout: container.hot_pull_timeout.0,
        ..docker::Options::default()
    }
}

/// Where functions' sockets stand when the operator names no place: in the temporary directory, closed to other users
/// of the machine, who could call functions there otherwise. Another user's directory of that name is not used.
fn private_directory() -> std::io::Result<PathBuf> {
    let own = std::fs::metadata("/proc/self")?.uid();
    let path = std::env::temp_dir().join(format!("remuda-iofs-{own}"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    let found = std::fs::symlink_metadata(&path)?;
    if !found.is_dir() || found.uid() != own {
        return Err(std::io::Error::other(format!("{} is not a directory of this user", path.display())));
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

/// A full node's invoker: its own runner, asked once. (It waits for room by itself, unless told to refuse.)
pub(super) struct LocalInvoker(pub(super) Arc<dyn Executor>);

#[async_trait]
impl Invoker for LocalInvoker {
    async fn invoke(&self, call: Arc<Call>, body: Body) -> Result<Answer, Fault> {
        match self.0.execute(Offer { call, body, taken: Taken::ignored() }).await? {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Busy => Err(Fault::busy()),
            Outcome::NeverArrived(fault) => Err(fault),
        }
    }
}

/// Resolves when `grace` has passed since `shutdown`.
pub(super) async fn past(shutdown: &CancellationToken, grace: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(grace).await;
}
