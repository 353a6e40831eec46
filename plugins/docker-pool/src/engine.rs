//! The only part that talks to Docker. Every call has a deadline.

use crate::options::Options;
use bollard::errors::Error as DockerError;
use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum as State, EndpointSettings, HostConfig,
};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, ListContainersOptions, RemoveContainerOptions,
    StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use remuda_plugin_api::{Error, Host, tracing};
use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// What one call of the engine may take. Creating a container on a busy disk is the slowest.
const CALL_DEADLINE: Duration = Duration::from_secs(20);
/// bollard's own limit, which must not be the first to strike.
const CLIENT_TIMEOUT_SECONDS: u64 = 60;
/// A container that was created and not started after this long never will be.
const UNSTARTED_AGE_SECONDS: u64 = 120;

/// On every container of Remuda.
const LABEL: &str = "remuda";
const POOL_LABEL: &str = "remuda.pool";
const GROUP_LABEL: &str = "remuda.group";

/// The engine, seen as one pool.
#[derive(Debug)]
pub(crate) struct Engine {
    docker: Docker,
    options: Options,
}

/// A container of the pool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// Where its runner serves; only when it runs.
    pub(crate) address: Option<String>,
    /// It has ended, or never began, and will not come back.
    pub(crate) dead: bool,
}

impl Engine {
    /// Connects, and agrees on a version of the protocol.
    pub(crate) async fn connect(options: Options) -> Result<Self, Error> {
        let host = &options.docker_host;
        let docker = if host.starts_with("unix://") {
            Docker::connect_with_unix(host, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(host, CLIENT_TIMEOUT_SECONDS, API_DEFAULT_VERSION)
        };
        let away = |error: DockerError| {
            Error::unavailable(format_args!(
                "no Docker Engine answers at {host} ({}): start one, or set DOCKER_HOST",
                innermost(&error)
            ))
        };
        let docker = docker.map_err(away)?;
        let negotiated = timeout(CALL_DEADLINE, docker.negotiate_version()).await;
        let docker = negotiated.map_err(|_| late("its version"))?.map_err(away)?;
        Ok(Self { docker, options })
    }

    /// Sees that the runners' image is there, so that a wrong name stops the start and not the first call.
    pub(crate) async fn check_image(&self, host: &Host) -> Result<(), Error> {
        match timeout(CALL_DEADLINE, self.docker.inspect_image(&self.options.image)).await {
            Err(_) => Err(late("inspect the image")),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(DockerError::DockerResponseServerError { status_code: 404, .. })) => Err(host
                .misconfigured(
                    "DOCKER_POOL_IMAGE",
                    format_args!(
                        "the engine at {} has no such image; pull or build it there",
                        self.options.docker_host
                    ),
                )),
            Ok(Err(error)) => Err(told("inspect the image", &error)),
        }
    }

    /// The pool's containers, of one group or of all.
    pub(crate) async fn list(&self, group: Option<&str>) -> Result<Vec<Container>, Error> {
        let mut labels = vec![format!("{POOL_LABEL}={}", self.options.pool)];
        labels.extend(group.map(|group| format!("{GROUP_LABEL}={group}")));
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..ListContainersOptions::default()
        };
        let listed = within("list containers", self.docker.list_containers(Some(options))).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(listed.into_iter().filter_map(|summary| self.container(summary, now)).collect())
    }

    fn container(&self, summary: ContainerSummary, now: u64) -> Option<Container> {
        let created = summary.created.and_then(|at| u64::try_from(at).ok()).unwrap_or(now);
        let unstarted = now.saturating_sub(created) > UNSTARTED_AGE_SECONDS;
        let dead = match summary.state {
            Some(State::EXITED | State::DEAD) => true,
            Some(State::CREATED) => unstarted,
            _ => false,
        };
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let address = self.address(&networks).filter(|_| summary.state == Some(State::RUNNING));
        Some(Container { id: summary.id?, address, dead })
    }

    fn address(&self, networks: &HashMap<String, EndpointSettings>) -> Option<String> {
        let port = self.options.port;
        let ip = |endpoint: &EndpointSettings| endpoint.ip_address.clone().filter(|ip| !ip.is_empty());
        let ip = match &self.options.network {
            Some(network) => networks.get(network).and_then(ip),
            None => networks.values().find_map(ip),
        };
        ip.map(|ip| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") })
    }

    /// Creates and starts one runner; its id.
    pub(crate) async fn start_one(&self, group: &str) -> Result<String, Error> {
        let body = self.body(group);
        let create = self.docker.create_container(None::<CreateContainerOptions>, body);
        let id = within("create a container", create).await?.id;
        let start = self.docker.start_container(&id, None::<StartContainerOptions>);
        if let Err(error) = within("start a container", start).await {
            if let Err(left) = self.force_remove(&id).await {
                tracing::warn!(container = %id, error = %left, "a container that did not start could not be removed");
            }
            return Err(error);
        }
        Ok(id)
    }

    fn body(&self, group: &str) -> ContainerCreateBody {
        let Options { image, pool, network, environment, mounts, .. } = &self.options;
        let labels = [(LABEL, ""), (POOL_LABEL, pool.as_str()), (GROUP_LABEL, group)];
        let mut environment: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        environment.push(format!("FN_LB_GROUP_ID={group}"));
        ContainerCreateBody {
            image: Some(image.clone()),
            env: Some(environment),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            host_config: Some(HostConfig {
                binds: Some(mounts.clone()),
                network_mode: network.clone(),
                // A runner that has ended is of no use: the node pool manager asks for another.
                auto_remove: Some(true),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    /// Whether the pool has this container; a container of somebody else is an error.
    pub(crate) async fn has(&self, id: &str) -> Result<bool, Error> {
        let inspect = self.docker.inspect_container(id, None::<InspectContainerOptions>);
        let found = match within_found("inspect a container", inspect).await? {
            Some(found) => found,
            None => return Ok(false),
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        if labels.get(POOL_LABEL) != Some(&self.options.pool) {
            let pool = &self.options.pool;
            return Err(Error::internal(format_args!("container {id} does not belong to pool {pool}")));
        }
        Ok(true)
    }

    /// Tells a runner to end and removes it, by force when it did not within the grace. One that is gone is no error.
    pub(crate) async fn stop_and_remove(&self, id: &str) -> Result<(), Error> {
        let grace = self.options.stop_grace;
        let limit = grace + CALL_DEADLINE;
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions { t: Some(seconds), ..StopContainerOptions::default() };
        // The engine answers when the container has ended.
        let docker = self.docker.clone().with_timeout(limit + CALL_DEADLINE);
        match timeout(limit, docker.stop_container(id, Some(options))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(container = %id, error = %innermost(&error), "a container could not be told to end")
            }
            Err(_) => tracing::debug!(container = %id, "a container does not end"),
        }
        self.force_remove(id).await
    }

    /// Removes a container of the pool as it is; one that is gone already is no error.
    pub(crate) async fn force_remove(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        within_found("remove a container", self.docker.remove_container(id, Some(options))).await.map(drop)
    }
}

/// Awaits one call of the engine.
async fn within<T>(what: &str, call: impl Future<Output = Result<T, DockerError>>) -> Result<T, Error> {
    match timeout(CALL_DEADLINE, call).await {
        Err(_) => Err(late(what)),
        Ok(answer) => answer.map_err(|error| told(what, &error)),
    }
}

/// The same for a call about a container that may be gone, or going.
async fn within_found<T>(
    what: &str,
    call: impl Future<Output = Result<T, DockerError>>,
) -> Result<Option<T>, Error> {
    match timeout(CALL_DEADLINE, call).await {
        Err(_) => Err(late(what)),
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(DockerError::DockerResponseServerError { status_code: 404 | 409, .. })) => Ok(None),
        Ok(Err(error)) => Err(told(what, &error)),
    }
}

fn late(what: &str) -> Error {
    Error::unavailable(format_args!("{what}: the Docker Engine did not answer within {CALL_DEADLINE:?}"))
}

fn told(what: &str, error: &DockerError) -> Error {
    match error {
        // The engine refused: asking again would not help.
        DockerError::DockerResponseServerError { status_code: 400..500, message } => {
            Error::internal(format_args!("{what}: {message}"))
        }
        error => Error::unavailable(format_args!("{what}: {}", innermost(error))),
    }
}

/// The last cause of an error, which for a connection is the only one that says something.
fn innermost(error: &DockerError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
