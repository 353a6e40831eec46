//! What a container leaves behind, and its removal.

use super::Shared;
use super::networks::Membership;
use bollard::query_parameters::RemoveContainerOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two tries to remove a container; there is one more try than there are pauses.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];

/// Whether the engine has the container.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Existence {
    /// It was never asked for, or was refused.
    No,
    /// It was asked for, and no answer has come: it may yet appear.
    Perhaps,
    /// It is there.
    Yes,
}

/// Owns a container with its socket directory from before it exists. Dropping this removes both in the background.
pub(super) struct Remains {
    shared: Arc<Shared>,
    name: String,
    directory: PathBuf,
    network: Mutex<Option<Membership>>,
    existence: AtomicU8,
    begun: AtomicBool,
    gone: CancellationToken,
}

impl Remains {
    pub(super) fn new(
        shared: Arc<Shared>,
        name: String,
        directory: PathBuf,
        network: Option<Membership>,
    ) -> Self {
        Self {
            shared,
            name,
            directory,
            network: Mutex::new(network),
            existence: AtomicU8::new(Existence::No as u8),
            begun: AtomicBool::new(false),
            gone: CancellationToken::new(),
        }
    }

    /// The container's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The socket directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The network it joins, where the operator named some.
    pub(super) fn network_name(&self) -> Option<String> {
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        network.as_ref().map(|network| network.name().to_owned())
    }

    /// Notes whether there is a container to remove.
    pub(super) fn exists(&self, existence: Existence) {
        self.existence.store(existence as u8, Ordering::Release);
    }

    /// Whether the container may still appear, so that its removal takes a while.
    pub(super) fn uncertain(&self) -> bool {
        self.existence.load(Ordering::Acquire) == Existence::Perhaps as u8
    }

    /// Removes it all and returns when that is done. Dropping the future does not stop the removal.
    pub(super) async fn remove(&self) {
        self.begin();
        self.gone.cancelled().await;
    }

    fn begin(&self) {
        if self.begun.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = self.shared.clone();
        let (name, directory) = (self.name.clone(), self.directory.clone());
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner).take();
        let existence = self.existence.load(Ordering::Acquire);
        let gone = self.gone.clone().drop_guard();
        self.shared.tasks.spawn_on(
            async move {
                if existence != Existence::No as u8 {
                    remove_container(&shared, &name, existence == Existence::Perhaps as u8).await;
                }
                remove_directory(&directory).await;
                drop((network, gone));
            },
            &self.shared.runtime,
        );
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        self.begin();
    }
}

/// Kills and removes a container; true when it is gone. `may_appear`: the engine may still be creating it, so that its
/// absence proves nothing yet.
pub(super) async fn remove_container(shared: &Shared, name: &str, may_appear: bool) -> bool {
    // Held through the tries: an engine that has trouble with one removal needs no others beside it.
    let _turn = shared.removals.acquire().await;
    let mut pauses = PAUSES.iter();
    loop {
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        let why = match shared.ask("remove container", shared.api.remove_container(name, Some(options))).await
        {
            Ok(()) => return true,
            Err(why) if why.status() == Some(404) && !may_appear => return true,
            Err(why) => why,
        };
        let absent = why.status() == Some(404);
        match pauses.next() {
            Some(pause) => tokio::time::sleep(*pause).await,
            None if absent => return true,
            None => {
                let error = remuda_core::Fault::internal(why).chain();
                tracing::error!(container = name, error, "a container could not be removed");
                return false;
            }
        }
    }
}

/// Removes a socket directory with all that the function put there.
pub(super) async fn remove_directory(directory: &Path) {
    match tokio::fs::remove_dir_all(directory).await {
        Ok(()) => {}
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
        Err(why) => {
            let directory = directory.display();
            tracing::warn!(%directory, error = %why, "a socket directory could not be removed");
        }
    }
}
