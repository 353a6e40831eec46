//! Tells the manager what calls want.

use crate::Options;
use crate::clock::Clock;
use crate::machine::advert::{due, word};
use crate::pools::{Group, Pools};
use remuda_core::port::DemandSink;
use remuda_core::{Fault, GroupDemand, Kind, LbId, MemoryMb};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Sends one message an interval, and one at once when a group begins to want something.
pub(crate) struct Advertiser {
    lb_id: LbId,
    sink: Arc<dyn DemandSink>,
    options: Options,
    clock: Clock,
    risen: Notify,
}

impl Advertiser {
    pub(crate) fn new(lb_id: LbId, sink: Arc<dyn DemandSink>, options: Options, clock: Clock) -> Self {
        Self { lb_id, sink, options, clock, risen: Notify::new() }
    }

    /// A group of which the manager believes that it wants nothing wants something.
    pub(crate) fn hurry(&self) {
        self.risen.notify_one();
    }

    /// Sends until `shutdown`.
    pub(crate) async fn run(&self, pools: &Pools, shutdown: &CancellationToken) {
        let mut away = false;
        let mut last = self.clock.now();
        loop {
            let mut risen = false;
            loop {
                let at = due(last, risen, self.options.advertise_interval, self.options.advertise_debounce);
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep_until(self.clock.instant(at)) => break,
                    () = self.risen.notified(), if !risen => risen = true,
                }
            }
            last = self.clock.now();
            tokio::select! {
                () = shutdown.cancelled() => return,
                sent = self.send(pools) => note(&mut away, sent),
            }
        }
    }

    async fn send(&self, pools: &Pools) -> Result<(), Fault> {
        let mut said: Vec<(Arc<Group>, MemoryMb)> = Vec::new();
        for group in pools.all() {
            let (peak, believed) = group.take_peak();
            if let Some(memory) = word(peak, believed) {
                said.push((group, memory));
            }
        }
        let demand =
            said.iter().map(|(group, memory)| GroupDemand { group: group.id().clone(), memory: *memory });
        let message = self.sink.advertise(&self.lb_id, demand.collect());
        match tokio::time::timeout(self.options.advertise_timeout, message).await {
            Ok(sent) => sent?,
            Err(_) => {
                return Err(Fault::service(
                    Kind::Unavailable,
                    "The node pool manager did not answer in time",
                ));
            }
        }
        for (group, memory) in said {
            group.set_believed(memory);
        }
        Ok(())
    }
}

/// Logs when the manager goes away and when it is back; not once a second in between.
fn note(away: &mut bool, sent: Result<(), Fault>) {
    match sent {
        Ok(()) if *away => {
            *away = false;
            tracing::info!("the node pool manager takes demand again");
        }
        Ok(()) => {}
        Err(fault) if !*away => {
            *away = true;
            tracing::warn!(error = %fault.chain(), "demand could not be told to the node pool manager");
        }
        Err(fault) => {
            tracing::debug!(error = %fault.chain(), "demand could not be told to the node pool manager")
        }
    }
}
