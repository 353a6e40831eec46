//! Containers of a Docker Engine.
//!
//! Every operation has a deadline, and what may wedge an engine when too much of it happens at once (starts and
//! removals) is bounded. All that is started here is owned: a start runs in a tracked task that sees itself through
//! also when nobody waits for it any more, so that a container whose creation was on its way is found and removed.

mod container;
mod exit;
mod fault;
mod images;
mod instance;
mod networks;
mod options;
mod remains;
mod start;
mod sweep;

pub use options::{Options, Ownership, ResourceLimits};

use crate::{Error, socket};
use async_trait::async_trait;
use bollard::Docker as Api;
use images::Images;
use networks::Networks;
use remuda_core::Fault;
use remuda_core::port::{Engine, Instance, InstanceSpec};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where an engine listens unless somebody says otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// A client of one Docker Engine.
pub struct Docker {
    shared: Arc<Shared>,
}

/// What the parts of the client have in common.
struct Shared {
    api: Api,
    /// The same engine with the patience that a pull needs.
    pull_api: Api,
    options: Options,
    hostname: String,
    images: Images,
    networks: Arc<Networks>,
    lookout: socket::Lookout,
    starts: Semaphore,
    removals: Semaphore,
    /// Starts, pulls and removals that are under way.
    tasks: TaskTracker,
    /// Where removals run that a drop begins.
    runtime: Handle,
}

impl Docker {
    /// Finds the engine and agrees on a version of its API. Call it on the runtime that is to own the background work.
    ///
    /// # Errors
    /// When the address is of no use, or no engine answers there within [`Options::operation_timeout`].
    pub async fn connect(options: Options) -> Result<Arc<Self>, Error> {
        let host = options
            .host
            .clone()
            .or_else(|| std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()));
        let host = host.unwrap_or_else(|| DEFAULT_HOST.to_owned());
        let refused = |source| Error::Connect { host: host.clone(), source: Box::new(source) };
        let api = Api::connect_with_host(&host).map_err(refused)?;
        // Our own deadlines come first; this is for what they do not cover. It counts in whole seconds.
        let api = api.with_timeout(options.operation_timeout + Duration::from_secs(1));
        let agreed = tokio::time::timeout(options.operation_timeout, api.negotiate_version()).await;
        let late = |_| Error::Deadline { operation: "ask for its version", after: options.operation_timeout };
        let api = agreed.map_err(late)?.map_err(refused)?;
        let pull_api = api.clone().with_timeout(options.pull_timeout + Duration::from_secs(1));
        socket::create_parent(&options.iofs_dir)
            .map_err(|source| Error::SocketDirectory { directory: options.iofs_dir.clone(), source })?;
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                api,
                pull_api,
                hostname: hostname(),
                images: Images::default(),
                networks: Networks::new(options.networks.clone()),
                lookout: socket::Lookout::new(),
                starts: Semaphore::new(options.max_concurrent_starts.max(1)),
                removals: Semaphore::new(options.max_concurrent_removals.max(1)),
                tasks: TaskTracker::new(),
                runtime: Handle::current(),
                options,
            }),
        }))
    }

    /// Waits until everything that is being started, pulled or removed has ended, at most `within`; true when it all
    /// has. Instances are removed by whoever holds them, before this.
    pub async fn close(&self, within: Duration) -> bool {
        self.shared.tasks.close();
        tokio::time::timeout(within, self.shared.tasks.wait()).await.is_ok()
    }
}

#[async_trait]
impl Engine for Docker {
    async fn prepare_image(&self, image: &str) -> Result<(), Fault> {
        images::prepare(&self.shared, image).await.map(drop)
    }

    async fn start(&self, spec: InstanceSpec) -> Result<Arc<dyn Instance>, Fault> {
        let unwanted = CancellationToken::new();
        let _leaving = unwanted.clone().drop_guard();
        let (send, started) = oneshot::channel();
        let shared = self.shared.clone();
        self.shared.tasks.spawn(async move {
            let outcome = start::start(shared, spec, &unwanted).await;
            // Nobody there any more: dropping the instance removes it.
            let _ = send.send(outcome);
        });
        let instance = started.await.map_err(Fault::internal)??;
        Ok(instance)
    }

    async fn sweep(&self) -> Result<u32, Fault> {
        sweep::sweep(&self.shared).await
    }
}

impl Shared {
    /// Asks something of the engine, with the usual deadline.
    async fn ask<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Error> {
        let after = self.options.operation_timeout;
        match tokio::time::timeout(after, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(Error::Engine { operation, source: Box::new(source) }),
            Err(_) => Err(Error::Deadline { operation, after }),
        }
    }
}

/// This machine's name, as containers are told it.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
