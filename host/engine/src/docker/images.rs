//! Images: what we need to know of one, and getting those that are not here.

use super::{Shared, fault};
use crate::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptions;
use futures_util::future::{BoxFuture, Shared as SharedFuture};
use futures_util::{FutureExt, StreamExt};
use remuda_core::{Fault, Kind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long what we know of an image is believed: it keeps an inspection off the path of most starts.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Images that are remembered.
const REMEMBERED: usize = 1024;
/// A reference longer than this is no reference.
const MAX_REFERENCE_BYTES: usize = 512;

/// What a start needs to know of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The user it wants to run as; may be empty.
    pub(super) user: String,
    /// Whether it declares volumes.
    pub(super) volumes: bool,
}

impl From<ImageInspect> for Facts {
    fn from(image: ImageInspect) -> Self {
        let config = image.config.unwrap_or_default();
        Self {
            user: config.user.unwrap_or_default(),
            volumes: config.volumes.is_some_and(|volumes| !volumes.is_empty()),
        }
    }
}

type Pull = SharedFuture<BoxFuture<'static, Result<(), Fault>>>;

/// What is known of images, and which are being pulled.
#[derive(Default)]
pub(super) struct Images {
    known: Mutex<HashMap<String, (Instant, Arc<Facts>)>>,
    pulls: Mutex<HashMap<String, Pull>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Images {
    fn known(&self, image: &str) -> Option<Arc<Facts>> {
        let known = lock(&self.known);
        let (seen, facts) = known.get(image)?;
        (seen.elapsed() < BELIEVED_FOR).then(|| facts.clone())
    }

    fn remember(&self, image: &str, facts: &Arc<Facts>) {
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED {
            known.retain(|_, (seen, _)| seen.elapsed() < BELIEVED_FOR);
        }
        if known.len() < REMEMBERED {
            known.insert(image.to_owned(), (Instant::now(), facts.clone()));
        }
    }

    /// The image turned out not to be what was believed.
    pub(super) fn forget(&self, image: &str) {
        lock(&self.known).remove(image);
    }
}

/// Makes sure that an image is here and may run.
pub(super) async fn prepare(shared: &Arc<Shared>, image: &str) -> Result<Arc<Facts>, Fault> {
    let facts = match shared.images.known(image) {
        Some(facts) => facts,
        None => find(shared, image).await?,
    };
    if facts.volumes && !shared.options.allow_volumes {
        return Err(Fault::user(Kind::ImageRefused, "image has Volume definition"));
    }
    Ok(facts)
}

async fn find(shared: &Arc<Shared>, image: &str) -> Result<Arc<Facts>, Fault> {
    if !is_reference(image) {
        let message = format!("Failed to pull image '{image}': invalid reference format");
        return Err(Fault::user(Kind::Foreign(400), message));
    }
    let inspected = match inspect(shared, image).await {
        Err(why) if why.status() == Some(404) => {
            pull(shared, image).await?;
            inspect(shared, image).await
        }
        other => other,
    };
    let facts = Arc::new(inspected.map_err(fault::unavailable)?);
    shared.images.remember(image, &facts);
    Ok(facts)
}

async fn inspect(shared: &Shared, image: &str) -> Result<Facts, Error> {
    shared.ask("inspect image", shared.api.inspect_image(image)).await.map(Facts::from)
}

/// Pulls an image, or joins the pull that is under way. It goes on when nobody waits any more: the next call wants it.
async fn pull(shared: &Arc<Shared>, image: &str) -> Result<(), Fault> {
    let pull = {
        let mut pulls = lock(&shared.images.pulls);
        match pulls.get(image) {
            Some(running) => running.clone(),
            None => {
                let pull = begin_pull(shared.clone(), image.to_owned());
                pulls.insert(image.to_owned(), pull.clone());
                pull
            }
        }
    };
    pull.await
}

fn begin_pull(shared: Arc<Shared>, image: String) -> Pull {
    let (send, done) = oneshot::channel();
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let began = Instant::now();
        let outcome = fetch(&shared, &image).await;
        match &outcome {
            Ok(()) => {
                let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(image, duration_ms, "image pulled");
            }
            Err(fault) => tracing::debug!(image, error = fault.chain(), "image could not be pulled"),
        }
        lock(&shared.images.pulls).remove(&image);
        let _ = send.send(outcome);
    });
    async move { done.await.unwrap_or_else(|gone| Err(Fault::internal(gone))) }.boxed().shared()
}

async fn fetch(shared: &Shared, image: &str) -> Result<(), Fault> {
    let (name, tag) = split_reference(image);
    let options = CreateImageOptions {
        from_image: Some(name.to_owned()),
        tag: tag.map(str::to_owned),
        ..Default::default()
    };
    let mut progress = shared.pull_api.create_image(Some(options), None, None);
    let drained = async {
        while let Some(step) = progress.next().await {
            step?;
        }
        Ok(())
    };
    match tokio::time::timeout(shared.options.pull_timeout, drained).await {
        Ok(outcome) => outcome.map_err(|source| {
            fault::pull_failed(image, Error::Engine { operation: "pull image", source: Box::new(source) })
        }),
        Err(_) => Err(Fault::user(Kind::PullTimeout, "Image pull timed out")),
    }
}

/// The name, and the tag where the engine must be told one: without it, it would pull every tag.
fn split_reference(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[last..].split_once(':') {
        Some((name, tag)) => (&image[..last + name.len()], Some(tag)),
        None => (image, Some("latest")),
    }
}

/// Whether a user's text may be put into the path of a request to the engine. Looser than the engine's own rule, but
/// nothing that passes leads to another path.
fn is_reference(image: &str) -> bool {
    let fits = !image.is_empty() && image.len() <= MAX_REFERENCE_BYTES;
    let plain = image.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte));
    fits && plain && image.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reference_without_a_tag_means_the_latest() {
        assert_eq!(split_reference("a"), ("a", Some("latest")));
        assert_eq!(split_reference("h:5000/a/b"), ("h:5000/a/b", Some("latest")));
        assert_eq!(split_reference("h:5000/a:1.2"), ("h:5000/a", Some("1.2")));
        assert_eq!(split_reference("a@sha256:00"), ("a@sha256:00", None));
    }

    #[test]
    fn a_reference_cannot_lead_to_another_path_of_the_engine() {
        for good in ["a", "h:5000/a/b:1", "a@sha256:00", "a_b.c-d/e"] {
            assert!(is_reference(good), "{good}");
        }
        for bad in ["", "../containers/json?x=", "a/../b", "a//b", "/a", "a?b", "a#b", "a b", "a%2e", "é"] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn splitting_any_text_loses_nothing(image in ".*") {
            let (name, tag) = split_reference(&image);
            match tag {
                Some("latest") if name == image => {}
                Some(tag) => prop_assert_eq!(format!("{name}:{tag}"), image.clone()),
                None => prop_assert_eq!(name, &image),
            }
        }
    }
}
