//! The room through its doors, with a control plane of a few lines and a clock that jumps.

use crate::{NodePool, Options};
use async_trait::async_trait;
use remuda_core::port::{ControlPlane, DemandSink, Membership};
use remuda_core::{Fault, GroupDemand, GroupId, Kind, LbId, MemoryMb, PoolRunner, RunnerAddress};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a test's control plane does, and did.
#[derive(Default)]
struct Plugin {
    runners: Mutex<BTreeMap<GroupId, Vec<PoolRunner>>>,
    /// Groups whose listing fails, or never ends.
    fails: Mutex<HashSet<GroupId>>,
    hangs: Mutex<HashSet<GroupId>>,
    /// How many of those asked for are begun, at most; `u32::MAX` by default.
    begins: AtomicU32,
    /// Whether those that were begun ever appear.
    delivers: Mutex<bool>,
    made: AtomicUsize,
    listings: AtomicUsize,
    requests: Mutex<Vec<(Instant, u32)>>,
    removals: Mutex<Vec<String>>,
    remove_fails: Mutex<bool>,
}

impl Plugin {
    fn add(&self, group: &str, id: &str, fixed: bool) {
        let address = RunnerAddress::parse(&format!("{id}:9190")).unwrap();
        let runner = PoolRunner { id: id.into(), address, capacity: MemoryMb(4096), fixed };
        self.runners.lock().unwrap().entry(GroupId::new(group)).or_default().push(runner);
    }
    fn lose(&self, group: &str, id: &str) {
        self.runners.lock().unwrap().entry(GroupId::new(group)).or_default().retain(|runner| runner.id != id);
    }
    fn requests(&self) -> Vec<u32> {
        self.requests.lock().unwrap().iter().map(|(_, count)| *count).collect()
    }
}

#[async_trait]
impl ControlPlane for Plugin {
    async fn runners(&self, group: &GroupId) -> Result<Vec<PoolRunner>, Fault> {
        self.listings.fetch_add(1, Ordering::SeqCst);
        if self.hangs.lock().unwrap().contains(group) {
            std::future::pending::<()>().await;
        }
        if self.fails.lock().unwrap().contains(group) {
            return Err(Fault::service(Kind::Unavailable, "plugin broken"));
        }
        Ok(self.runners.lock().unwrap().get(group).cloned().unwrap_or_default())
    }
    async fn provision(&self, group: &GroupId, count: u32) -> Result<u32, Fault> {
        self.requests.lock().unwrap().push((Instant::now(), count));
        let begun = count.min(self.begins.load(Ordering::SeqCst));
        for _ in 0..begun {
            if *self.delivers.lock().unwrap() {
                let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
                self.add(group.as_str(), &format!("made{number}"), false);
            }
        }
        Ok(begun)
    }
    async fn remove(&self, group: &GroupId, runner: &str) -> Result<(), Fault> {
        self.removals.lock().unwrap().push(runner.to_owned());
        if *self.remove_fails.lock().unwrap() {
            return Err(Fault::service(Kind::Unavailable, "plugin broken"));
        }
        self.lose(group.as_str(), runner);
        Ok(())
    }
    async fn close(&self) {}
}

struct Room {
    plugin: Arc<Plugin>,
    membership: Arc<dyn Membership>,
    sink: Arc<dyn DemandSink>,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Room {
    fn new() -> Self {
        Self::with(Options::default())
    }
    fn with(options: Options) -> Self {
        let plugin = Plugin { begins: u32::MAX.into(), delivers: Mutex::new(true), ..Plugin::default() };
        let plugin = Arc::new(plugin);
        let pool = NodePool::new(options, plugin.clone());
        let shutdown = CancellationToken::new();
        let (membership, sink) = (pool.membership(), pool.demand_sink());
        let running = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { pool.run(shutdown).await }
        });
        Self { plugin, membership, sink, shutdown, running }
    }
    async fn members(&self, group: &str) -> Result<Vec<String>, Fault> {
        let members = self.membership.members(&GroupId::new(group)).await?;
        Ok(members.iter().map(|address| address.host().to_owned()).collect())
    }
    async fn wants(&self, lb: &str, wants: &[(&str, u64)]) -> Result<(), Fault> {
        let demand = wants
            .iter()
            .map(|(group, mb)| GroupDemand { group: GroupId::new(*group), memory: MemoryMb(*mb) });
        self.sink.advertise(&LbId::new(lb), demand.collect()).await
    }
    /// Seconds in which a load balancer says each second that it wants so much of group `g`.
    async fn wanting(&self, seconds: u64, mb: u64) {
        for _ in 0..seconds {
            self.wants("lb", &[("g", mb)]).await.unwrap();
            pass(1).await;
        }
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_question_about_a_group_waits_for_the_first_listing() {
    let room = Room::new();
    room.plugin.add("g", "one", false);
    assert_eq!(room.members("g").await.unwrap(), ["one"]);
    assert_eq!(room.members("empty").await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn demand_becomes_runners_within_a_second_or_two() {
    let room = Room::new();
    assert_eq!(room.members("g").await.unwrap(), [""; 0]);
    room.wants("lb1", &[("g", 4096)]).await.unwrap();
    room.wants("lb2", &[("g", 4097)]).await.unwrap();
    pass(2).await;
    assert_eq!(room.members("g").await.unwrap(), ["made1", "made2", "made3"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_in_demand_reaches_the_plugin_at_once() {
    let room = Room::new();
    room.members("g").await.unwrap();
    pass(30).await;
    let before = Instant::now();
    room.wants("lb", &[("g", 1)]).await.unwrap();
    pass(1).await;
    let (at, count) = room.plugin.requests.lock().unwrap()[0];
    assert_eq!((at - before, count), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn constant_demand_asks_once_and_changes_nothing_afterwards() {
    let room = Room::new();
    room.wanting(600, 10_000).await;
    assert_eq!(room.plugin.requests().iter().sum::<u32>(), 3);
    assert!(room.plugin.removals.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_scaled_to_zero_once_it_is_idle() {
    let room = Room::new();
    room.wanting(60, 8000).await;
    assert_eq!(room.members("g").await.unwrap().len(), 2);
    room.wants("lb", &[("g", 0)]).await.unwrap();
    pass(32).await;
    assert_eq!(room.members("g").await.unwrap(), ["made1"], "the newest leaves first, and at once");
    pass(30).await;
    assert_eq!(room.members("g").await.unwrap(), [""; 0]);
    pass(260).await;
    assert!(room.plugin.removals.lock().unwrap().is_empty(), "a function may run for 300 seconds");
    pass(80).await;
    assert_eq!(*room.plugin.removals.lock().unwrap(), ["made2", "made1"]);
}

#[tokio::test(start_paused = true)]
async fn a_draining_runner_comes_back_when_it_is_wanted_again() {
    let room = Room::new();
    room.wanting(60, 8000).await;
    room.wanting(40, 100).await;
    assert_eq!(room.members("g").await.unwrap(), ["made1"]);
    room.wanting(2, 8000).await;
    assert_eq!(room.members("g").await.unwrap(), ["made1", "made2"]);
    assert_eq!(room.plugin.requests().iter().sum::<u32>(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_that_falls_silent_counts_for_a_while_and_then_no_more() {
    let room = Room::new();
    room.wanting(60, 4096).await;
    pass(10 + 60 + 330 + 15).await;
    assert_eq!(room.plugin.removals.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_a_message_no_longer_names_is_wanted_no_more() {
    let room = Room::new();
    room.wanting(5, 4096).await;
    room.wants("lb", &[("other", 4096)]).await.unwrap();
    room.plugin.lose("g", "made1");
    pass(5).await;
    assert_eq!(room.members("g").await.unwrap(), [""; 0], "it is not replaced, though the hold is not over");
    assert_eq!(room.plugin.requests(), [1, 1], "one for each group");
}

#[tokio::test(start_paused = true)]
async fn a_broken_listing_keeps_the_members_and_plans_nothing() {
    let room = Room::new();
    room.wanting(5, 4096).await;
    room.plugin.fails.lock().unwrap().insert(GroupId::new("g"));
    pass(1).await;
    let asked = room.plugin.requests().len();
    room.wanting(100, 50_000).await;
    assert_eq!(room.members("g").await.unwrap(), ["made1"]);
    assert_eq!(room.plugin.requests().len(), asked);
    room.plugin.fails.lock().unwrap().clear();
    room.wanting(3, 50_000).await;
    assert_eq!(room.members("g").await.unwrap().len(), 13);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_never_listed_is_a_fault_and_not_an_empty_pool() {
    let room = Room::new();
    room.plugin.fails.lock().unwrap().insert(GroupId::new("g"));
    assert_eq!(room.members("g").await.unwrap_err().message, "plugin broken");
    room.plugin.fails.lock().unwrap().clear();
    pass(11).await;
    assert_eq!(room.members("g").await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_hangs_for_one_group_delays_no_other_and_no_request() {
    let room = Room::new();
    room.plugin.hangs.lock().unwrap().insert(GroupId::new("slow"));
    let begun = Instant::now();
    room.wants("lb", &[("slow", 1), ("g", 1)]).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(room.members("slow").await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
    let begun = Instant::now();
    assert_eq!(room.members("g").await.unwrap(), ["made1"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    room.plugin.hangs.lock().unwrap().clear();
    room.plugin.add("slow", "late", true);
    pass(130).await;
    assert_eq!(room.members("slow").await.unwrap(), ["late"], "the hanging listing was given up");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_vanishes_is_replaced() {
    let room = Room::new();
    room.wanting(5, 4096).await;
    room.plugin.lose("g", "made1");
    room.wanting(4, 4096).await;
    assert_eq!(room.members("g").await.unwrap(), ["made2"]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_begins_nothing_is_asked_ever_more_rarely() {
    let room = Room::new();
    room.plugin.begins.store(0, Ordering::SeqCst);
    room.wanting(600, 4096).await;
    let asked = room.plugin.requests().len();
    assert!((10..=20).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn runners_that_never_come_are_asked_for_again_and_not_without_end() {
    let room = Room::new();
    *room.plugin.delivers.lock().unwrap() = false;
    room.wanting(600, 4096).await;
    let asked = room.plugin.requests().len();
    assert!((4..=6).contains(&asked), "every two minutes: {asked}");
}

#[tokio::test(start_paused = true)]
async fn fixed_runners_are_members_for_ever() {
    let room = Room::new();
    room.plugin.add("g", "fixed", true);
    room.wanting(60, 100).await;
    pass(300).await;
    assert_eq!(room.members("g").await.unwrap(), ["fixed"]);
    assert!(room.plugin.requests().is_empty() && room.plugin.removals.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_failed_is_tried_again() {
    let room = Room::new();
    room.wanting(5, 100).await;
    *room.plugin.remove_fails.lock().unwrap() = true;
    pass(10 + 60 + 330 + 25).await;
    let tries = room.plugin.removals.lock().unwrap().len();
    assert!((2..=3).contains(&tries), "{tries}");
    *room.plugin.remove_fails.lock().unwrap() = false;
    pass(12).await;
    assert!(room.plugin.runners.lock().unwrap()[&GroupId::new("g")].is_empty());
}

#[tokio::test(start_paused = true)]
async fn groups_past_the_bound_are_refused_and_the_others_are_served() {
    let room = Room::with(Options { max_groups: 2, ..Options::default() });
    room.members("a").await.unwrap();
    let refused = room.wants("lb", &[("c", 0), ("b", 1), ("c", 1)]).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Unavailable);
    pass(2).await;
    assert_eq!(room.members("b").await.unwrap(), ["made1"]);
    assert_eq!(room.members("c").await.unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_idle_group_is_listed_rarely_and_then_forgotten_which_makes_room() {
    let room = Room::with(Options { max_groups: 1, ..Options::default() });
    room.plugin.add("a", "fixed", true);
    room.members("a").await.unwrap();
    assert!(room.members("b").await.is_err());
    pass(590).await;
    let listed = room.plugin.listings.load(Ordering::SeqCst);
    assert!(listed <= 61, "{listed}");
    pass(30).await;
    assert!(room.members("b").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_group_with_runners_to_remove_is_not_forgotten() {
    let room = Room::with(Options { group_idle: Duration::from_secs(20), ..Options::default() });
    room.wanting(5, 100).await;
    pass(480).await;
    assert_eq!(*room.plugin.removals.lock().unwrap(), ["made1"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_drivers_and_touches_no_runner() {
    let room = Room::new();
    room.wanting(5, 4096).await;
    room.shutdown.cancel();
    room.running.await.unwrap();
    let listed = room.plugin.listings.load(Ordering::SeqCst);
    pass(100).await;
    assert_eq!(room.plugin.listings.load(Ordering::SeqCst), listed);
    assert!(room.plugin.removals.lock().unwrap().is_empty());
}

/// A control plane that panics, as none should.
struct Panics(AtomicUsize);

#[async_trait]
impl ControlPlane for Panics {
    async fn runners(&self, _: &GroupId) -> Result<Vec<PoolRunner>, Fault> {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "as the test wants it");
        Ok(Vec::new())
    }
    async fn provision(&self, _: &GroupId, _: u32) -> Result<u32, Fault> {
        Ok(0)
    }
    async fn remove(&self, _: &GroupId, _: &str) -> Result<(), Fault> {
        Ok(())
    }
    async fn close(&self) {}
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_takes_only_its_group_with_it_and_for_a_moment() {
    let pool = NodePool::new(Options::default(), Arc::new(Panics(AtomicUsize::new(0))));
    let membership = pool.membership();
    let running = tokio::spawn(async move { pool.run(CancellationToken::new()).await });
    assert!(membership.members(&GroupId::new("g")).await.is_err());
    assert!(membership.members(&GroupId::new("g")).await.is_ok());
    running.abort();
}
