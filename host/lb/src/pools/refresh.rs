//! Asks for members: of a new group at once, of known ones again and again, each by itself, so that a slow answer about
//! one group delays no other.

use super::{Group, Pools};
use remuda_core::group::DEFAULT_GROUP;
use remuda_core::{Fault, GroupId, Kind, RunnerAddress};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

impl Pools {
    /// Keeps memberships fresh until `shutdown`.
    pub(crate) async fn run(self: &Arc<Self>, shutdown: &CancellationToken) {
        let mut questions = JoinSet::new();
        let mut every = tokio::time::interval(self.options.poll_interval);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = every.tick() => {
                    self.forget_idle(self.clock.now());
                    self.ask_about(self.all(), &mut questions);
                    if !self.is_ready() && self.groups.is_empty() {
                        self.ask_for_readiness(&mut questions);
                    }
                }
                () = self.appeared.notified() => {
                    let new = self.all().into_iter().filter(|group| !group.is_known()).collect();
                    self.ask_about(new, &mut questions);
                }
                Some(ended) = questions.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(error = %error, "a question for a group's members panicked");
                    }
                }
            }
        }
        questions.shutdown().await;
    }

    fn ask_about(self: &Arc<Self>, groups: Vec<Arc<Group>>, questions: &mut JoinSet<()>) {
        for group in groups {
            if group.begin_asking() {
                let right = Asking(group);
                let pools = Arc::clone(self);
                questions.spawn(async move { pools.refresh(&right.0).await });
            }
        }
    }

    /// Before any call came, whether anybody answers at all is found out with the default group.
    fn ask_for_readiness(self: &Arc<Self>, questions: &mut JoinSet<()>) {
        if questions.is_empty() {
            let pools = Arc::clone(self);
            questions.spawn(async move {
                if let Err(fault) = pools.members_of(&GroupId::new(DEFAULT_GROUP)).await {
                    tracing::debug!(error = %fault.chain(), "nobody says yet who the runners are");
                }
            });
        }
    }

    async fn members_of(&self, group: &GroupId) -> Result<Vec<RunnerAddress>, Fault> {
        let Ok(_permit) = self.asking.acquire().await else {
            return Err(Fault::service(Kind::Unavailable, "the load balancer is closing"));
        };
        let question = self.ports.membership.members(group);
        let members = match tokio::time::timeout(self.options.membership_timeout, question).await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(Fault::service(
                    Kind::Unavailable,
                    "The node pool manager did not answer in time",
                ));
            }
        };
        if !self.answered.swap(true, Ordering::Relaxed) {
            tracing::info!("memberships are known");
        }
        Ok(members)
    }

    async fn refresh(&self, group: &Group) {
        match self.members_of(group.id()).await {
            Ok(addresses) => {
                let first = !group.is_known();
                let (came, went) = group.replace(addresses, &*self.ports.connector);
                let recovered = group.set_trouble(None);
                if came + went > 0 || first || recovered {
                    let runners = group.members().addresses.len();
                    tracing::info!(group.id = %group.id(), runners, came, went, "pool changed");
                }
            }
            Err(fault) => {
                let error = fault.chain();
                if group.set_trouble(Some(fault)) {
                    let runners = group.members().addresses.len();
                    tracing::warn!(group.id = %group.id(), runners, error, "members unknown, the last known ones stay");
                }
            }
        }
    }
}

/// The right to ask about a group, given back however the question ends.
struct Asking(Arc<Group>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.end_asking();
    }
}
