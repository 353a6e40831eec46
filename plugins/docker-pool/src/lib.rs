//! A control plane that runs runners as containers of a Docker Engine.
//!
//! What exists is what the engine says: containers carry the labels of their pool and group, so a restart forgets
//! nothing, and a container without them is never touched. Start from [`DockerPool`]; `options` reads the variables,
//! `engine` is the only part that talks to Docker.
//!
//! A removal is answered once it has begun. In the background the runner gets its stop signal (SIGTERM), upon which it
//! ends its calls and removes the containers of its functions; after `DOCKER_POOL_STOP_GRACE_S` it is removed by force.
//! Until it is gone it is listed.
//!
//! Deliberately absent: pulling images (the image must be there at the start) and Swarm services.

mod engine;
mod options;
mod removals;

use engine::Engine;
use options::Options;
use removals::Removals;
use remuda_plugin_api::{ControlPlane, Error, Host, Runner, tracing};
use std::sync::Arc;
use tokio::sync::Semaphore;

pub use options::VARIABLES;

#[cfg(feature = "export")]
remuda_plugin_api::export_control_plane! {
    type = DockerPool,
    name = "docker-pool",
    variables = *VARIABLES,
}

/// Runners as containers.
#[derive(Debug)]
pub struct DockerPool {
    engine: Arc<Engine>,
    max: usize,
    memory_mb: u64,
    /// One provisioning at a time, so that two do not fill the same last place.
    turn: Semaphore,
    removals: Removals,
}

impl ControlPlane for DockerPool {
    async fn start(host: Host) -> Result<Self, Error> {
        let options = Options::read(&host)?;
        let (max, memory_mb) = (options.max, options.memory_mb);
        let engine = Engine::connect(options).await?;
        engine.check_image(&host).await?;
        Ok(Self {
            engine: Arc::new(engine),
            max,
            memory_mb,
            turn: Semaphore::new(1),
            removals: Removals::default(),
        })
    }

    async fn runners(&self, group: &str) -> Result<Vec<Runner>, Error> {
        let containers = self.engine.list(Some(group)).await?;
        let runners = containers.into_iter().filter_map(|container| {
            Some(Runner {
                id: container.id,
                address: container.address?,
                capacity_mb: self.memory_mb,
                fixed: false,
            })
        });
        Ok(runners.collect())
    }

    async fn provision(&self, group: &str, count: u32) -> Result<u32, Error> {
        let _turn = self.turn.acquire().await.map_err(Error::internal)?;
        let (dead, alive): (Vec<_>, Vec<_>) =
            self.engine.list(None).await?.into_iter().partition(|container| container.dead);
        for container in dead {
            tracing::info!(container = %container.id, "removing a runner that has ended");
            self.engine.force_remove(&container.id).await?;
        }
        let room = self.max.saturating_sub(alive.len());
        let wanted = usize::try_from(count).unwrap_or(usize::MAX).min(room);
        if wanted == 0 && count > 0 {
            let max = self.max;
            return Err(Error::unavailable(format_args!(
                "the pool is full: it has {max} containers, as many as {} allows",
                options::MAX
            )));
        }
        self.start_some(group, wanted).await
    }

    async fn remove(&self, _group: &str, id: &str) -> Result<(), Error> {
        if !self.engine.has(id).await? {
            return Ok(());
        }
        let (engine, owned) = (Arc::clone(&self.engine), id.to_owned());
        self.removals.begin(id, async move {
            match engine.stop_and_remove(&owned).await {
                Ok(()) => tracing::info!(container = %owned, "removed a runner"),
                // It is still listed, and will be asked for again.
                Err(error) => tracing::warn!(container = %owned, %error, "could not remove a runner yet"),
            }
        });
        Ok(())
    }
}

impl DockerPool {
    /// Starts containers one after another and says how many; a failure after the first is logged, since the node pool
    /// manager lists what is there and asks again.
    async fn start_some(&self, group: &str, wanted: usize) -> Result<u32, Error> {
        let mut begun = 0;
        for _ in 0..wanted {
            let (engine, owned) = (Arc::clone(&self.engine), group.to_owned());
            // On a task of its own: a call given up between creating a container and starting it would leave it
            // there. Each step of the task has a deadline, and the plugin's runtime owns it.
            let started = tokio::spawn(async move { engine.start_one(&owned).await }).await;
            match started.map_err(Error::internal).and_then(|started| started) {
                Ok(id) => {
                    tracing::info!(container = %id, group, "started a runner");
                    begun += 1;
                }
                Err(error) if begun == 0 => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, group, "could not start all runners that were asked for");
                    break;
                }
            }
        }
        Ok(begun)
    }
}
