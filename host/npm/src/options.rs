//! What the room is told.

use remuda_core::MemoryMb;
use std::time::Duration;

/// How the manager behaves. [`Options::default`] holds the numbers of Fn's manager where it has one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Between two listings of a group that wants something or has runners that can be removed.
    pub poll_interval: Duration,
    /// Between two listings of any other group.
    pub idle_poll_interval: Duration,
    /// A group that nobody mentioned for this long, and that has nothing to remove, is forgotten.
    pub group_idle: Duration,
    /// Groups that may be known at once.
    pub max_groups: usize,
    /// Load balancers that are remembered at once; past it, those heard of least lately go.
    pub max_lbs: usize,
    /// How long a silent load balancer's demand is held.
    pub demand_hold: Duration,
    /// How long the first question for a new group's members waits for the first listing: well below the deadline of
    /// those who ask, so that they hear why there is no answer.
    pub first_listing: Duration,
    /// The longest that any one request to the control plane may take, over and above its own deadlines.
    pub control_plane_limit: Duration,
    /// What plans are made by.
    pub limits: Limits,
}

/// What plans are made by.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Runners asked for at once, at most.
    pub largest_request: u32,
    /// Runners of one group, at most, those being provisioned included.
    pub max_runners: u32,
    /// The capacity of a runner before any was seen, and of one that says that it has none.
    pub default_capacity: MemoryMb,
    /// From a runner's leaving the membership to its removal: longer than any function may run, since removal may end
    /// what still runs there.
    pub drain: Duration,
    /// How long runners that were asked for are believed to be coming.
    pub provision_expires: Duration,
    /// The first pause after a request for runners that came to nothing; pauses double.
    pub backoff: Duration,
    /// The longest such pause.
    pub longest_backoff: Duration,
    /// A runner is drained only if it was to spare for this long.
    pub settle: Duration,
    /// The last capacity of a group goes only after nothing was wanted for this long.
    pub idle: Duration,
    /// Between two tries to remove a runner that is still listed.
    pub remove_retry: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            idle_poll_interval: Duration::from_secs(10),
            group_idle: Duration::from_secs(600),
            max_groups: 10_000,
            max_lbs: 1_000,
            demand_hold: Duration::from_secs(10),
            first_listing: Duration::from_millis(1500),
            control_plane_limit: Duration::from_secs(120),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            largest_request: 20,
            max_runners: 1_000,
            default_capacity: MemoryMb(4096),
            drain: Duration::from_secs(330),
            provision_expires: Duration::from_secs(120),
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            settle: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            remove_retry: Duration::from_secs(10),
        }
    }
}
