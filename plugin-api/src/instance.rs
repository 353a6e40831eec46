//! Turns the trait that authors write into the table that crosses the border: one instance, one tokio runtime, calls
//! that answer by completion and can be cancelled by their number.

use crate::abi::{
    AbiError, CompletionBox, ControlPlaneApi, ControlPlaneApi_TO, ControlPlaneBox, HostBox, Reply, Setting,
};
use crate::guard::{caught, caught_async};
use crate::manifest::Identity;
use crate::{ControlPlane, Error, Host, Runner, log};
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RResult, RStr, RVec};
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// Threads of an instance's runtime.
const WORKERS: usize = 2;
/// Calls that may be in flight at once; a host's deadlines keep it far below.
const CALL_LIMIT: usize = 1024;

/// Makes a control plane: what the exported table's first entry does.
pub(crate) fn start<T: ControlPlane>(
    identity: &'static Identity,
    host: HostBox,
    settings: RVec<Setting>,
) -> RResult<ControlPlaneBox, AbiError> {
    let begun = caught("start", || {
        log::install(&Arc::new(host));
        let settings = settings.into_iter().map(|setting| (setting.name.into(), setting.value.into()));
        let host = Host::new(identity.variables, settings);
        let runtime = runtime(identity.name)?;
        match runtime.block_on(caught_async("start", T::start(host))) {
            Ok(plane) => Ok(Instance::new(runtime, plane)),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    });
    match begun.and_then(|begun| begun) {
        Ok(instance) => RResult::ROk(ControlPlaneApi_TO::from_value(instance, TD_Opaque)),
        Err(error) => RResult::RErr(error.into()),
    }
}

fn runtime(name: &str) -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name(format!("plg-{name}"))
        .enable_all()
        .build()
        .map_err(|error| Error::internal(format_args!("start the plugin's runtime: {error}")))
}

struct Running<T> {
    runtime: Runtime,
    plane: Arc<T>,
}

struct Instance<T: ControlPlane> {
    running: Mutex<Option<Running<T>>>,
    calls: Arc<Mutex<HashMap<u64, AbortHandle>>>,
    next_call: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: ControlPlane> Instance<T> {
    fn new(runtime: Runtime, plane: T) -> Self {
        Self {
            running: Mutex::new(Some(Running { runtime, plane: Arc::new(plane) })),
            calls: Arc::default(),
            next_call: AtomicU64::new(1),
        }
    }

    /// Runs `call` on the plugin's runtime and answers `done` with its result. Returns the call's number, or 0 when it
    /// was answered at once.
    fn begin<F, A>(&self, method: &'static str, done: CompletionBox, call: F) -> u64
    where
        F: FnOnce(Arc<T>) -> A + Send + 'static,
        A: Future<Output = Result<Reply, Error>> + Send,
    {
        // A panic in here drops `done`, and the host learns that the call was given up.
        caught(method, || {
            let running = locked(&self.running);
            let Some(Running { runtime, plane }) = running.as_ref() else {
                return refuse(done, "the plugin is closed");
            };
            // Held until the call is listed, so that a call that ends at once finds itself.
            let mut calls = locked(&self.calls);
            if calls.len() >= CALL_LIMIT {
                return refuse(done, "too many calls are in flight");
            }
            let id = self.next_call.fetch_add(1, Ordering::Relaxed);
            let (plane, listed) = (Arc::clone(plane), Arc::clone(&self.calls));
            let task = runtime.spawn(async move {
                let result = caught_async(method, async move { call(plane).await }).await;
                locked(&listed).remove(&id);
                done.complete(result.map_err(AbiError::from).into());
            });
            calls.insert(id, task.abort_handle());
            id
        })
        .unwrap_or(0)
    }
}

fn refuse(done: CompletionBox, why: &str) -> u64 {
    done.complete(RResult::RErr(Error::unavailable(why).into()));
    0
}

fn reply() -> Reply {
    Reply { runners: RVec::new(), number: 0, text: String::new().into() }
}

impl<T: ControlPlane> ControlPlaneApi for Instance<T> {
    fn runners(&self, group: RStr<'_>, done: CompletionBox) -> u64 {
        let group = group.to_string();
        self.begin("runners", done, move |plane| async move {
            let runners: Vec<Runner> = plane.runners(&group).await?;
            Ok(Reply { runners: runners.into_iter().map(Into::into).collect(), ..reply() })
        })
    }
    fn provision(&self, group: RStr<'_>, count: u32, done: CompletionBox) -> u64 {
        let group = group.to_string();
        self.begin("provision", done, move |plane| async move {
            let begun = plane.provision(&group, count).await?;
            Ok(Reply { number: u64::from(begun), ..reply() })
        })
    }
    fn remove(&self, group: RStr<'_>, id: RStr<'_>, done: CompletionBox) -> u64 {
        let (group, id) = (group.to_string(), id.to_string());
        self.begin("remove", done, move |plane| async move {
            plane.remove(&group, &id).await?;
            Ok(reply())
        })
    }
    fn call(&self, method: RStr<'_>, params_json: RStr<'_>, done: CompletionBox) -> u64 {
        let (method, params) = (method.to_string(), params_json.to_string());
        self.begin("call", done, move |plane| async move {
            let text = plane.call(&method, &params).await?;
            Ok(Reply { text: text.into(), ..reply() })
        })
    }
    fn cancel(&self, call: u64) {
        let task = locked(&self.calls).remove(&call);
        if let Some(task) = task {
            let _ = caught("cancel", || task.abort());
        }
    }
    fn close(&self, grace_ms: u64) {
        let running = locked(&self.running).take();
        let Some(Running { runtime, plane }) = running else { return };
        let end = Instant::now() + Duration::from_millis(grace_ms);
        let _ = caught("close", move || {
            let (closed, wait) = mpsc::sync_channel(1);
            runtime.spawn(async move {
                let _ = caught_async("close", async {
                    plane.close().await;
                    Ok(())
                })
                .await;
                let _ = closed.try_send(());
            });
            let _ = wait.recv_timeout(end.saturating_duration_since(Instant::now()));
            runtime.shutdown_timeout(end.saturating_duration_since(Instant::now()));
        });
    }
}

impl<T: ControlPlane> Drop for Instance<T> {
    fn drop(&mut self) {
        let running = locked(&self.running).take();
        let _ = caught("drop", move || {
            if let Some(Running { runtime, plane }) = running {
                runtime.shutdown_background();
                drop(plane);
            }
        });
    }
}
