//! Sees sockets appear, in any number of directories, through one inotify instance: a user of the machine has only
//! 128 of those (`fs.inotify.max_user_instances`), for all processes together, and starts come in bursts.

use super::find;
use futures_util::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Several events, names included; what does not fit comes with the next read.
const EVENT_BUFFER_BYTES: usize = 4096;
/// Between two looks at a directory that cannot be watched.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Watches directories of functions that are about to listen.
pub(crate) struct Lookout {
    watched: Arc<Watched>,
    /// Tells of events; ends with this.
    _reader: Option<AbortOnDropHandle<()>>,
}

/// `None` when there is no inotify instance (any more). Never held across an await.
#[derive(Default)]
struct Watched(Mutex<Option<Directories>>);

/// What one inotify instance watches.
struct Directories {
    watches: Watches,
    tell: HashMap<WatchDescriptor, watch::Sender<()>>,
}

impl Lookout {
    /// Takes an inotify instance. Where none can be had, directories are looked at every few milliseconds instead.
    /// Call it on the runtime that is to read the events.
    pub(crate) fn new() -> Self {
        match Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; EVENT_BUFFER_BYTES])) {
            Ok(events) => Self::reading(events),
            Err(why) => {
                tracing::warn!(error = %why, "no inotify instance can be had; socket directories are polled");
                Self { watched: Arc::default(), _reader: None }
            }
        }
    }

    fn reading(events: EventStream<Vec<u8>>) -> Self {
        let directories = Directories { watches: events.watches(), tell: HashMap::new() };
        let watched = Arc::new(Watched(Mutex::new(Some(directories))));
        let reader = tokio::spawn(read(events, Reading(watched.clone())));
        Self { watched, _reader: Some(AbortOnDropHandle::new(reader)) }
    }

    /// Returns once the function's socket is in `directory`, which nobody else may be waiting at; fails when something
    /// else is there. It has no deadline of its own.
    pub(crate) async fn appeared(&self, directory: &Path) -> io::Result<()> {
        if find(directory)?.is_some() {
            return Ok(());
        }
        let mut watch = Watch::new(&self.watched, directory);
        // Looks again first: it may have come before the watch was set.
        while find(directory)?.is_none() {
            watch.changed().await;
        }
        Ok(())
    }
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Option<Directories>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, directory: &Path) -> Option<(WatchDescriptor, watch::Receiver<()>)> {
        let mut held = self.lock();
        let directories = held.as_mut()?;
        let added = directories.watches.add(directory, WatchMask::CREATE | WatchMask::MOVED_TO);
        let descriptor = match added {
            Ok(descriptor) => descriptor,
            Err(why) => {
                tracing::warn!(error = %why, "a socket directory cannot be watched; it is polled");
                return None;
            }
        };
        let (tell, told) = watch::channel(());
        directories.tell.insert(descriptor.clone(), tell);
        Some((descriptor, told))
    }

    fn remove(&self, descriptor: WatchDescriptor) {
        if let Some(directories) = self.lock().as_mut() {
            directories.tell.remove(&descriptor);
            // Fails when the directory is gone, and the watch with it.
            let _ = directories.watches.remove(descriptor);
        }
    }

    /// Passes on that something happened in a directory; in each of them, when the kernel lost count.
    fn tell(&self, descriptor: &WatchDescriptor, mask: EventMask) {
        let held = self.lock();
        let Some(directories) = held.as_ref() else { return };
        if mask.contains(EventMask::Q_OVERFLOW) {
            directories.tell.values().for_each(|tell| tell.send_replace(()));
        } else if let Some(tell) = directories.tell.get(descriptor) {
            tell.send_replace(());
        }
    }
}

/// One directory under watch, until it is dropped.
struct Watch<'a> {
    watched: &'a Watched,
    /// `None`: there is no watch, and it is polled.
    events: Option<(WatchDescriptor, watch::Receiver<()>)>,
}

impl<'a> Watch<'a> {
    fn new(watched: &'a Watched, directory: &Path) -> Self {
        Self { watched, events: watched.add(directory) }
    }

    /// Returns when the directory is worth another look.
    async fn changed(&mut self) {
        if let Some((_, events)) = &mut self.events
            && events.changed().await.is_ok()
        {
            return;
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some((descriptor, _)) = self.events.take() {
            self.watched.remove(descriptor);
        }
    }
}

/// Held by the reader: whatever ends it, those who wait learn that nothing will be told any more.
struct Reading(Arc<Watched>);

impl Drop for Reading {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

async fn read(mut events: EventStream<Vec<u8>>, reading: Reading) {
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => reading.0.tell(&event.wd, event.mask),
            Err(why) => {
                tracing::error!(error = %why, "inotify events cannot be read; socket directories are polled");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SOCKET_NAME, create_directory};
    use super::*;
    use futures_util::poll;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    fn directory() -> PathBuf {
        create_directory(&std::env::temp_dir(), "remuda-lookout-test").unwrap()
    }

    /// A lookout that got no inotify instance.
    fn blind() -> Lookout {
        Lookout { watched: Arc::default(), _reader: None }
    }

    fn watches(lookout: &Lookout) -> usize {
        lookout.watched.lock().as_ref().unwrap().tell.len()
    }

    #[tokio::test]
    async fn a_socket_that_is_there_or_appears_is_seen() {
        for lookout in [Lookout::new(), blind()] {
            let at = directory();
            let _listener = UnixListener::bind(at.join("phony.sock")).unwrap();
            let mut appeared = Box::pin(lookout.appeared(&at));
            assert!(poll!(&mut appeared).is_pending());
            symlink("phony.sock", at.join(SOCKET_NAME)).unwrap();
            appeared.await.unwrap();
            lookout.appeared(&at).await.unwrap();
            fs::remove_dir_all(at).unwrap();
        }
    }

    #[tokio::test]
    async fn something_else_that_appears_is_refused() {
        for lookout in [Lookout::new(), blind()] {
            let at = directory();
            let mut appeared = Box::pin(lookout.appeared(&at));
            assert!(poll!(&mut appeared).is_pending());
            fs::write(at.join(SOCKET_NAME), "").unwrap();
            assert_eq!(appeared.await.unwrap_err().kind(), io::ErrorKind::InvalidData);
            fs::remove_dir_all(at).unwrap();
        }
    }

    #[tokio::test]
    async fn more_directories_than_there_are_inotify_instances_are_told_of_their_events_at_once() {
        let (lookout, parent) = (Lookout::new(), directory());
        let places: Vec<PathBuf> = (0..300).map(|_| create_directory(&parent, "").unwrap()).collect();
        let mut told: Vec<_> = places.iter().map(|at| Watch::new(&lookout.watched, at)).collect();
        assert_eq!(watches(&lookout), 300);
        for (at, watch) in places.iter().zip(&mut told) {
            let (_, events) = watch.events.as_mut().unwrap();
            assert!(!events.has_changed().unwrap());
            let _listener = UnixListener::bind(at.join(SOCKET_NAME)).unwrap();
            events.changed().await.unwrap();
        }
        drop(told);
        assert_eq!(watches(&lookout), 0);
        fs::remove_dir_all(parent).unwrap();
    }

    #[tokio::test]
    async fn one_who_waits_no_longer_leaves_no_watch() {
        let (lookout, at) = (Lookout::new(), directory());
        {
            let mut appeared = Box::pin(lookout.appeared(&at));
            assert!(poll!(&mut appeared).is_pending());
            assert_eq!(watches(&lookout), 1);
        }
        assert_eq!(watches(&lookout), 0);
        fs::remove_dir_all(at).unwrap();
    }

    #[tokio::test]
    async fn events_that_the_kernel_dropped_make_everyone_look_again() {
        let (lookout, places) = (Lookout::new(), [directory(), directory()]);
        let mut watches = places.each_ref().map(|at| Watch::new(&lookout.watched, at));
        let (descriptor, _) = watches[0].events.clone().unwrap();
        lookout.watched.tell(&descriptor, EventMask::Q_OVERFLOW);
        for watch in &mut watches {
            assert!(poll!(Box::pin(watch.changed())).is_ready());
        }
        drop(watches);
        places.into_iter().for_each(|at| fs::remove_dir(at).unwrap());
    }

    #[tokio::test]
    async fn those_who_wait_when_the_reader_ends_go_on_by_polling() {
        let (lookout, at) = (Lookout::new(), directory());
        let mut appeared = Box::pin(lookout.appeared(&at));
        assert!(poll!(&mut appeared).is_pending());
        drop(Reading(lookout.watched.clone()));
        let _listener = UnixListener::bind(at.join(SOCKET_NAME)).unwrap();
        appeared.await.unwrap();
        fs::remove_dir_all(at).unwrap();
    }
}
