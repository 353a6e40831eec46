//! What authors implement.

use crate::{Error, Host, Runner};
use std::future::{Future, ready};

/// Makes and removes runners: machines, containers or processes that execute calls. The node pool manager decides how
/// many a group needs and asks; the control plane does it, and [`ControlPlane::runners`] says what is really there.
///
/// Write the methods as `async fn`. They run on the plugin's own tokio runtime: timers, sockets and `tokio::spawn` work.
/// A call that outlives the host's deadline is cancelled by dropping its future. A panic fails that call alone.
///
/// Keep no truth in memory: the host may be restarted at any time, so what exists must be found again in the outside
/// world (labels of containers, tags of machines).
pub trait ControlPlane: Sized + Send + Sync + 'static {
    /// Makes the control plane from its variables. Called once, before anything else; the host waits, with a deadline.
    fn start(host: Host) -> impl Future<Output = Result<Self, Error>> + Send;

    /// The runners of a group as they are now, ready or not yet; the host connects to them itself. Called every
    /// second while the group wants something or has runners that can be removed, and every ten seconds else.
    fn runners(&self, group: &str) -> impl Future<Output = Result<Vec<Runner>, Error>> + Send;

    /// Begins to make `count` more runners for a group and says how many were begun. They count for the host once
    /// [`ControlPlane::runners`] lists them.
    fn provision(&self, group: &str, count: u32) -> impl Future<Output = Result<u32, Error>> + Send;

    /// Removes one runner. One that is already gone is no error.
    fn remove(&self, group: &str, id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// The door for what has no method of its own yet: parameters and answer are JSON.
    fn call(&self, method: &str, params_json: &str) -> impl Future<Output = Result<String, Error>> + Send {
        let _ = params_json;
        ready(Err(Error::unsupported(format_args!("there is no method '{method}'"))))
    }

    /// Ends what the plugin began in this process. Called once, with a short deadline; runners stay.
    fn close(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}
