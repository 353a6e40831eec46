//! Removals under way: each waits for its runner to end, so the node pool manager is answered before.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;

/// One task a container at most, since a runner that is told to end twice may end at once. The manager asks again while
/// a runner is listed, so what is lost here with the process is begun anew; dropping this ends the tasks.
#[derive(Debug, Default)]
pub(crate) struct Removals(Mutex<HashMap<String, JoinHandle<()>>>);

impl Removals {
    /// Runs `removal` unless one of the same container runs.
    pub(crate) fn begin(&self, id: &str, removal: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, task| !task.is_finished());
        running.entry(id.to_owned()).or_insert_with(|| tokio::spawn(removal));
    }
}

impl Drop for Removals {
    fn drop(&mut self) {
        for task in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            task.abort();
        }
    }
}
