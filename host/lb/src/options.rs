//! What the room is told, and what it is given.

use remuda_core::port::{Connector, DemandSink, Membership, Placement};
use std::sync::Arc;
use std::time::Duration;

/// How a load balancer behaves. [`Options::default`] holds Fn's numbers where Fn has one.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a call may look for a runner before it is told that we are busy.
    pub placer_timeout: Duration,
    /// The same for a detached call.
    pub detached_placer_timeout: Duration,
    /// Bytes of a request that are kept so that another runner can be offered it; past them the request waits until a
    /// runner has taken the call. One more piece of the request, as it came off the wire, may be held on top.
    pub replay_limit: usize,
    /// Between two questions for the members of a group in use.
    pub poll_interval: Duration,
    /// How long one such question may take: longer than the wire's own deadlines, which say better what is wrong.
    pub membership_timeout: Duration,
    /// Questions for members that may be under way at once.
    pub membership_concurrency: usize,
    /// Between two messages about demand.
    pub advertise_interval: Duration,
    /// The least time between two messages about demand, when a group that wanted nothing wants something.
    pub advertise_debounce: Duration,
    /// How long one such message may take.
    pub advertise_timeout: Duration,
    /// Calls that may wait for capacity at once, over all groups; more are told that we are busy.
    pub max_waiting: usize,
    /// Groups that may be known at once.
    pub max_groups: usize,
    /// A group that had no call for this long is forgotten.
    pub group_idle: Duration,
    /// The longest that a runner may take to begin its answer beyond the placing deadline and the function's timeout:
    /// pulls and starts. A runner that is silent for longer is given up.
    pub answer_slack: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            placer_timeout: Duration::from_secs(360),
            detached_placer_timeout: Duration::from_secs(30),
            replay_limit: 1024 * 1024,
            poll_interval: Duration::from_millis(500),
            membership_timeout: Duration::from_secs(4),
            membership_concurrency: 256,
            advertise_interval: Duration::from_secs(1),
            advertise_debounce: Duration::from_millis(50),
            advertise_timeout: Duration::from_secs(2),
            max_waiting: 10_000,
            max_groups: 10_000,
            group_idle: Duration::from_secs(600),
            answer_slack: Duration::from_secs(600),
        }
    }
}

/// The outside world, as this room sees it.
#[derive(Clone)]
pub struct Ports {
    /// Opens clients of runners.
    pub connector: Arc<dyn Connector>,
    /// Knows the runners of a group: the node pool manager, or a [`crate::StaticMembership`].
    pub membership: Arc<dyn Membership>,
    /// Is told what calls want; none when nobody scales the pools.
    pub demand: Option<Arc<dyn DemandSink>>,
    /// Says which runner is tried first.
    pub placement: Arc<dyn Placement>,
}
