//! Learns that a container's process has ended.
//!
//! By the engine's `wait`, one held request a container, and not by its stream of events: `wait` gives the answer also
//! when the end came before the question, so nothing is missed while a stream is being opened again.

use super::Shared;
use bollard::errors::Error as ApiError;
use bollard::query_parameters::{InspectContainerOptions, WaitContainerOptions};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Before the engine is asked again after it went away.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Waits for one container's end; stops when dropped.
pub(super) struct ExitWatch {
    reason: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl ExitWatch {
    /// Starts to wait for the end of a container that was started.
    pub(super) fn new(shared: Arc<Shared>, name: String) -> Self {
        let (tell, reason) = watch::channel(None);
        let task = tokio::spawn(async move {
            let ended = wait(&shared, &name).await;
            let _ = tell.send(Some(ended));
        });
        Self { reason, task }
    }

    /// Resolves once the process has ended, with the reason for logs.
    pub(super) async fn ended(&self) -> String {
        let mut reason = self.reason.clone();
        match reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "removed".to_owned(),
        }
    }
}

impl Drop for ExitWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn wait(shared: &Shared, name: &str) -> String {
    loop {
        let options = WaitContainerOptions { condition: "not-running".into() };
        let code = match shared.api.wait_container(name, Some(options)).next().await {
            Some(Ok(ended)) => ended.status_code,
            // The client reports every status but 0 as an error.
            Some(Err(ApiError::DockerContainerWaitError { code, .. })) => code,
            Some(Err(ApiError::DockerResponseServerError { status_code: 404, .. })) => {
                return "removed".to_owned();
            }
            Some(Err(_)) | None => {
                // The engine went away, which does not end a container. It will say when it is back.
                tokio::time::sleep(ASK_AGAIN).await;
                continue;
            }
        };
        let killed = if out_of_memory(shared, name).await { ", out of memory" } else { "" };
        return format!("exit status {code}{killed}");
    }
}

async fn out_of_memory(shared: &Shared, name: &str) -> bool {
    let asked = shared.api.inspect_container(name, None::<InspectContainerOptions>);
    match shared.ask("inspect container", asked).await {
        Ok(container) => container.state.and_then(|state| state.oom_killed).unwrap_or(false),
        // Gone already; the status has to do.
        Err(_) => false,
    }
}
