//! Removes what an earlier life of this node left behind.

use super::container::{LABEL_CLASSIFIER, LABEL_INSTANCE};
use super::remains::{remove_container, remove_directory};
use super::{Ownership, Shared, fault};
use bollard::query_parameters::ListContainersOptions;
use futures_util::future::join_all;
use remuda_core::Fault;
use std::collections::HashMap;
use std::sync::Arc;

/// What a socket directory is called without an owner: as in Fn.
const PREFIX: &str = "iofs";

/// The start of the names of an owner's socket directories. It tells owners apart without their names, which may hold
/// anything: `iofs<classifier>-<instance>-`.
pub(super) fn directory_prefix(owner: Option<&Ownership>) -> String {
    owner.map_or_else(
        || PREFIX.to_owned(),
        |owner| format!("{}{:08x}-", classifier_prefix(owner), digest(&owner.instance)),
    )
}

fn classifier_prefix(owner: &Ownership) -> String {
    format!("{PREFIX}{:08x}-", digest(&owner.classifier))
}

/// FNV-1a, 32 bits: the same in every build, for all time.
fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Removes the containers with our classifier and another instance, and then the socket directories of such; returns
/// how many containers are gone. Without a classifier nothing is known to be ours.
pub(super) async fn sweep(shared: &Arc<Shared>) -> Result<u32, Fault> {
    let Some(owner) = &shared.options.ownership else { return Ok(0) };
    let label = format!("{LABEL_CLASSIFIER}={}", owner.classifier);
    let options = ListContainersOptions {
        all: true,
        filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
        ..Default::default()
    };
    let listed = shared.ask("list containers", shared.api.list_containers(Some(options))).await;
    let stale = listed.map_err(fault::unavailable)?.into_iter().filter(|container| {
        let labels = container.labels.as_ref();
        labels
            .and_then(|labels| labels.get(LABEL_INSTANCE))
            .is_none_or(|instance| *instance != owner.instance)
    });
    let stale: Vec<String> = stale.filter_map(|container| container.id).collect();
    let removed = join_all(stale.iter().map(|id| remove_container(shared, id, false))).await;
    let count = removed.into_iter().filter(|gone| *gone).count();
    sweep_directories(shared, owner).await;
    if count > 0 {
        tracing::info!(containers = count, "removed what an earlier life of this node left behind");
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

async fn sweep_directories(shared: &Shared, owner: &Ownership) {
    let (of_ours, of_this_life) = (classifier_prefix(owner), directory_prefix(Some(owner)));
    let mut entries = match tokio::fs::read_dir(&shared.options.iofs_dir).await {
        Ok(entries) => entries,
        Err(why) => {
            let directory = shared.options.iofs_dir.display();
            tracing::warn!(%directory, error = %why, "socket directories could not be listed");
            return;
        }
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&of_ours) && !name.starts_with(&of_this_life) {
            remove_directory(&entry.path()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(classifier: &str, instance: &str) -> Ownership {
        Ownership { classifier: classifier.into(), instance: instance.into() }
    }

    #[test]
    fn directories_tell_nodes_and_their_lives_apart() {
        let prefix = |classifier, instance| directory_prefix(Some(&owner(classifier, instance)));
        assert_eq!(prefix("a", "1"), "iofse40c292c-340ca71c-");
        assert!(prefix("a", "2").starts_with(&classifier_prefix(&owner("a", "1"))));
        assert!(!prefix("b", "1").starts_with(&classifier_prefix(&owner("a", "1"))));
        assert_ne!(prefix("a", "1"), prefix("a", "2"));
        assert_eq!(directory_prefix(None), "iofs");
    }
}
