//! A loaded control plane as the port that the rooms know.

use crate::host_api::cut;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RResult, RStr};
use async_trait::async_trait;
use remuda_core::port::ControlPlane;
use remuda_core::{Fault, GroupId, Kind, MemoryMb, PoolRunner, RunnerAddress};
use remuda_plugin_api::abi::{
    AbiError, AbiRunner, Completion, Completion_TO, CompletionBox, ControlPlaneBox, RUNNER_FIXED, Reply, code,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a plugin may take to end its work.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// What the host waits beyond that for the thread that asks.
const CLOSE_MARGIN: Duration = Duration::from_secs(1);
/// The most runners of a group that are taken from a plugin.
const RUNNER_LIMIT: usize = 10_000;
/// The longest id of a runner that is taken from a plugin, in bytes.
const ID_LIMIT: usize = 256;

/// Asks the plugin; every call has a deadline, and is cancelled in the plugin when it is dropped here.
pub(crate) struct Proxy {
    plugin: Arc<ControlPlaneBox>,
    name: String,
    call_deadline: Duration,
}

impl Proxy {
    pub(crate) fn new(plugin: ControlPlaneBox, name: String, call_deadline: Duration) -> Self {
        Self { plugin: Arc::new(plugin), name, call_deadline }
    }

    async fn request<F>(&self, method: &'static str, begin: F) -> Result<Reply, Fault>
    where
        F: FnOnce(&ControlPlaneBox, CompletionBox) -> u64 + Send,
    {
        let (answer, answered) = oneshot::channel();
        let done = Completion_TO::from_value(Answer(answer), TD_Opaque);
        let call = begin(&self.plugin, done);
        let mut cancel = CancelOnDrop { plugin: &self.plugin, call: Some(call) };
        match timeout(self.call_deadline, answered).await {
            Ok(Ok(result)) => {
                cancel.call = None;
                result.map_err(|error| self.failed(method, &error))
            }
            Ok(Err(_)) => Err(self.fault(Kind::Internal, method, "it gave the call up without an answer")),
            Err(_) => {
                let waited = format!("it did not answer within {:?}", self.call_deadline);
                Err(self.fault(Kind::Unavailable, method, &waited))
            }
        }
    }

    fn failed(&self, method: &str, error: &AbiError) -> Fault {
        let kind = match error.code {
            code::UNAVAILABLE => Kind::Unavailable,
            code::CANCELLED => Kind::Cancelled,
            _ => Kind::Internal,
        };
        self.fault(kind, method, cut(&error.message))
    }

    fn fault(&self, kind: Kind, method: &str, message: &str) -> Fault {
        Fault::service(kind, format!("control plane {}: {method}: {message}", self.name))
    }
}

#[async_trait]
impl ControlPlane for Proxy {
    async fn runners(&self, group: &GroupId) -> Result<Vec<PoolRunner>, Fault> {
        let begin = |plugin: &ControlPlaneBox, done| plugin.runners(RStr::from_str(group.as_str()), done);
        let reply = self.request("runners", begin).await?;
        translate(&reply.runners).map_err(|problem| self.fault(Kind::Internal, "runners", &problem))
    }

    async fn provision(&self, group: &GroupId, count: u32) -> Result<u32, Fault> {
        let begin =
            |plugin: &ControlPlaneBox, done| plugin.provision(RStr::from_str(group.as_str()), count, done);
        let begun = self.request("provision", begin).await?.number;
        u32::try_from(begun).map_err(|_| {
            self.fault(Kind::Internal, "provision", &format!("it says that it began {begun} runners"))
        })
    }

    async fn remove(&self, group: &GroupId, runner: &str) -> Result<(), Fault> {
        let begin = |plugin: &ControlPlaneBox, done| {
            plugin.remove(RStr::from_str(group.as_str()), RStr::from_str(runner), done)
        };
        self.request("remove", begin).await.map(drop)
    }

    async fn close(&self) {
        let plugin = Arc::clone(&self.plugin);
        let (closed, ended) = oneshot::channel();
        let grace_ms = u64::try_from(CLOSE_GRACE.as_millis()).unwrap_or(u64::MAX);
        // A thread of its own, not the runtime's: one that the plugin never gives back must not hold up our exit.
        let thread = std::thread::Builder::new().name("plugin-close".to_owned()).spawn(move || {
            plugin.close(grace_ms);
            let _ = closed.send(());
        });
        match thread {
            Ok(_) if timeout(CLOSE_GRACE + CLOSE_MARGIN, ended).await.is_err() => {
                tracing::warn!(plugin.name = %self.name, "the plugin did not end its work in time");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(plugin.name = %self.name, %error, "cannot ask the plugin to end its work")
            }
        }
    }
}

/// Checks what a plugin lists. One wrong entry refuses the list: what the plugin believes about its runners cannot be
/// right then, and the last list that was is better.
fn translate(runners: &[AbiRunner]) -> Result<Vec<PoolRunner>, String> {
    if runners.len() > RUNNER_LIMIT {
        return Err(format!("it lists {} runners in one group, more than {RUNNER_LIMIT}", runners.len()));
    }
    let mut ids = BTreeSet::new();
    runners.iter().map(|runner| translate_one(runner, &mut ids)).collect()
}

fn translate_one<'a>(runner: &'a AbiRunner, ids: &mut BTreeSet<&'a str>) -> Result<PoolRunner, String> {
    let id = runner.id.as_str();
    if id.is_empty() || id.len() > ID_LIMIT {
        return Err(format!("it lists a runner whose id has {} bytes, not 1 to {ID_LIMIT}", id.len()));
    }
    if !ids.insert(id) {
        return Err(format!("it lists two runners with the id {id:?}"));
    }
    if runner.capacity_mb == 0 {
        return Err(format!("it lists runner {id:?} with no memory"));
    }
    let address = RunnerAddress::parse(cut(&runner.address))
        .map_err(|problem| format!("it lists runner {id:?} with a wrong address: {problem}"))?;
    Ok(PoolRunner {
        id: id.to_owned(),
        address,
        capacity: MemoryMb(runner.capacity_mb),
        fixed: runner.flags & RUNNER_FIXED != 0,
    })
}

/// Where one call's answer goes.
struct Answer(oneshot::Sender<Result<Reply, AbiError>>);

impl Completion for Answer {
    fn complete(self, result: RResult<Reply, AbiError>) {
        // Nobody waits for an answer past its deadline.
        let _ = self.0.send(result.into_result());
    }
}

struct CancelOnDrop<'a> {
    plugin: &'a ControlPlaneBox,
    call: Option<u64>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.plugin.cancel(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(id: &str, address: &str, capacity_mb: u64) -> AbiRunner {
        AbiRunner {
            id: id.into(),
            address: address.into(),
            capacity_mb,
            flags: RUNNER_FIXED,
            labels_json: "".into(),
        }
    }

    #[test]
    fn a_list_with_one_wrong_runner_is_refused_whole_and_says_which() {
        let good = runner("a", "h:1", 1);
        let listed = translate(std::slice::from_ref(&good)).unwrap();
        assert!(listed[0].fixed && listed[0].capacity == MemoryMb(1) && listed[0].address.as_str() == "h:1");
        for (bad, says) in [
            (runner("b", "rubbish", 1), "runner \"b\" with a wrong address: 'rubbish' is not host:port"),
            (runner("a", "h:2", 1), "two runners with the id \"a\""),
            (runner("", "h:2", 1), "whose id has 0 bytes"),
            (runner("b", "h:2", 0), "\"b\" with no memory"),
        ] {
            let problem = translate(&[good.clone(), bad]).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
        assert!(translate(&vec![good; RUNNER_LIMIT + 1]).is_err());
    }
}
