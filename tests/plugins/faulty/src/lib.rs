//! A control plane that misbehaves on request: at its start as `FAULTY_START` says, in a call as the group's name says.
//!
//! Not a plugin to learn from; that is `noop`.

use remuda_plugin_api::{ControlPlane, Error, Host, Runner, Variable, tracing};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Long past every deadline of a test.
const NEVER: Duration = Duration::from_secs(3600);

/// The variables that this plugin reads.
pub const VARIABLES: &[Variable] = &[
    Variable::optional("FAULTY_START", "What goes wrong at the start: panic, hang, block, config, away.")
        .default("fine"),
    Variable::optional("FAULTY_SECRET", "A value that must never be printed.").secret(),
];

#[cfg(feature = "export")]
remuda_plugin_api::export_control_plane! {
    type = Faulty,
    name = "faulty",
    variables = *VARIABLES,
}

/// The control plane. Counts what is in flight, so that a test can see a call being given up.
#[derive(Debug, Default)]
pub struct Faulty {
    hanging: AtomicU32,
}

/// A panic's payload whose own end panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload of a panic panics");
    }
}

/// Counts a call for as long as it lives.
struct Counted<'a>(&'a AtomicU32);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ControlPlane for Faulty {
    async fn start(host: Host) -> Result<Self, Error> {
        match host.required("FAULTY_START")? {
            "panic" => panic!("told to panic at the start"),
            "hang" => tokio::time::sleep(NEVER).await,
            "block" => std::thread::sleep(NEVER),
            "config" => return Err(host.misconfigured("FAULTY_SECRET", "set something longer")),
            "away" => return Err(Error::unavailable("the cloud is away")),
            _ => {}
        }
        Ok(Self::default())
    }

    async fn runners(&self, group: &str) -> Result<Vec<Runner>, Error> {
        let runner = |address: &str| Runner {
            id: "one".to_owned(),
            address: address.to_owned(),
            capacity_mb: 1,
            fixed: false,
        };
        match group {
            "panic" => panic!("told to panic"),
            "panic-later" => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                panic!("told to panic later")
            }
            "bomb" => std::panic::panic_any(Bomb),
            "hang" => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                let _counted = Counted(&self.hanging);
                tokio::time::sleep(NEVER).await;
            }
            "block" => std::thread::sleep(NEVER),
            "rubbish" => return Ok(vec![runner("fine:1"), runner("rubbish")]),
            "address" => return Ok(vec![runner("h:99999")]),
            "away" => return Err(Error::unavailable("the cloud is away").retry_after(Duration::from_secs(1))),
            "long" => return Err(Error::internal("x".repeat(1024 * 1024))),
            "log" => tracing::warn!(answer = 42, word = "horse", "a line from the plugin"),
            "spawn" => {
                let task = tokio::spawn(async { "spawned:1" });
                return Ok(vec![runner(task.await.map_err(Error::internal)?)]);
            }
            _ => {}
        }
        Ok(vec![runner("fine:1")])
    }

    /// Begins what is hanging now.
    async fn provision(&self, group: &str, count: u32) -> Result<u32, Error> {
        match group {
            "hanging" => Ok(self.hanging.load(Ordering::SeqCst)),
            "panic" => panic!("told to panic"),
            _ => Ok(count),
        }
    }

    async fn remove(&self, group: &str, id: &str) -> Result<(), Error> {
        match group {
            "panic" => panic!("told to panic"),
            _ => Err(Error::internal(format_args!("cannot remove {id}"))),
        }
    }

    async fn close(&self) {
        panic!("told to panic at the end");
    }
}
