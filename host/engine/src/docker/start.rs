//! From an image to a function that listens.

use super::container::{self, Surroundings};
use super::exit::ExitWatch;
use super::fault;
use super::images::{self, Facts};
use super::instance::Container;
use super::remains::{Existence, Remains};
use super::{Shared, sweep};
use crate::contract::Client;
use crate::{Error, socket};
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions};
use remuda_core::port::InstanceSpec;
use remuda_core::{Fault, Kind};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Starts a container. `unwanted` says that nobody waits any more; what was made until then is removed. When this
/// returns a fault, everything is gone already, or on its way out.
pub(super) async fn start(
    shared: Arc<Shared>,
    spec: InstanceSpec,
    unwanted: &CancellationToken,
) -> Result<Arc<Container>, Fault> {
    let image = tokio::select! {
        biased;
        () = unwanted.cancelled() => return Err(Fault::cancelled()),
        image = images::prepare(&shared, &spec.target.image) => image?,
    };
    let prefix = sweep::directory_prefix(shared.options.ownership.as_ref());
    let directory = socket::create_directory(&shared.options.iofs_dir, &prefix);
    let directory = directory.map_err(|why| socket_directory(&shared, why))?;
    let network = shared.networks.join();
    let remains = Remains::new(shared.clone(), spec.id.clone(), directory, network);
    match bring_up(&shared, &spec, &image, &remains, unwanted).await {
        Ok((client, exit)) => Ok(Arc::new(Container::new(client, exit, remains))),
        Err(fault) => {
            // When the engine never said whether there is a container, looking for it goes on behind the answer.
            if !remains.uncertain() {
                remains.remove().await;
            }
            Err(fault)
        }
    }
}

fn socket_directory(shared: &Shared, source: std::io::Error) -> Fault {
    Fault::internal(Error::SocketDirectory { directory: shared.options.iofs_dir.clone(), source })
}

async fn bring_up(
    shared: &Arc<Shared>,
    spec: &InstanceSpec,
    image: &Facts,
    remains: &Remains,
    unwanted: &CancellationToken,
) -> Result<(Client, ExitWatch), Fault> {
    run(shared, spec, image, remains, unwanted).await?;
    let exit = ExitWatch::new(shared.clone(), spec.id.clone());
    let client = Client::new(remains.directory().to_owned(), shared.options.answer_limits());
    tokio::select! {
        biased;
        () = unwanted.cancelled() => Err(Fault::cancelled()),
        listens = tokio::time::timeout(spec.start_timeout, listening(shared, remains, &client)) => match listens {
            Ok(Ok(())) => Ok((client, exit)),
            Ok(Err(why)) => Err(Fault::user(Kind::InitFailed, fault::INIT_FAILED).caused_by(why)),
            Err(late) => Err(Fault::user(Kind::InitTimeout, fault::INIT_TIMED_OUT).caused_by(late)),
        },
        reason = exit.ended() => {
            Err(Fault::user(Kind::InitFailed, fault::INIT_FAILED).caused_by(reason))
        }
    }
}

async fn listening(shared: &Shared, remains: &Remains, client: &Client) -> std::io::Result<()> {
    shared.lookout.appeared(remains.directory()).await?;
    client.warm_up().await
}

/// Creates and starts the container's process. Each of the two steps is seen through once it was asked for, so that
/// we know what there is to remove.
async fn run(
    shared: &Shared,
    spec: &InstanceSpec,
    image: &Facts,
    remains: &Remains,
    unwanted: &CancellationToken,
) -> Result<(), Fault> {
    let waiting = shared.options.operation_timeout;
    let _turn = tokio::select! {
        biased;
        () = unwanted.cancelled() => return Err(Fault::cancelled()),
        turn = tokio::time::timeout(waiting, shared.starts.acquire()) => match turn {
            Ok(turn) => turn.map_err(Fault::internal)?,
            Err(_) => {
                let why = Error::Deadline { operation: "wait for a turn to start a container", after: waiting };
                return Err(fault::unavailable(why));
            }
        },
    };
    let network = remains.network_name();
    let description = container::describe(
        &spec.target,
        &Surroundings {
            options: &shared.options,
            image,
            socket_directory: &as_engine_sees(shared, remains),
            network: network.as_deref(),
            hostname: &shared.hostname,
        },
    );
    let name = CreateContainerOptions { name: Some(spec.id.clone()), ..Default::default() };
    remains.exists(Existence::Perhaps);
    match shared.ask("create container", shared.api.create_container(Some(name), description)).await {
        Ok(_) => remains.exists(Existence::Yes),
        Err(why) => {
            match why.status() {
                // Refused; a container of that name is somebody else's.
                Some(400..=499) => remains.exists(Existence::No),
                Some(_) => remains.exists(Existence::Yes),
                None => {}
            }
            shared.images.forget(&spec.target.image);
            return Err(fault::create_failed(&spec.target.image, why));
        }
    }
    if unwanted.is_cancelled() {
        return Err(Fault::cancelled());
    }
    let started = shared.api.start_container(remains.name(), None::<StartContainerOptions>);
    shared.ask("start container", started).await.map_err(fault::start_failed)
}

fn as_engine_sees(shared: &Shared, remains: &Remains) -> PathBuf {
    let ours = remains.directory();
    match (&shared.options.iofs_docker_dir, ours.file_name()) {
        (Some(theirs), Some(name)) => theirs.join(name),
        _ => std::path::absolute(ours).unwrap_or_else(|_| ours.to_owned()),
    }
}
