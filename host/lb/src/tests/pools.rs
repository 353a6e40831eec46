//! Memberships: kept, changed, asked for.

use super::fakes::{Room, Says, address, holds, pass, text};
use crate::{LoadBalancer, Naive, Options, Ports, StaticMembership};
use remuda_core::{Kind, LbId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn the_first_call_of_a_group_has_its_members_asked_for_at_once() {
    let room = Room::of(&["one"]);
    pass(POLL / 2).await;
    let begun = Instant::now();
    room.call("g").await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn members_stay_while_the_manager_is_away_and_follow_it_when_it_is_back() {
    let room = Room::of(&["one"]);
    room.call("g").await.unwrap();
    room.membership.fails("g");
    pass(Duration::from_secs(600 - 1)).await;
    room.call("g").await.unwrap();
    assert_eq!(room.fleet.runner("one").opened.load(Ordering::SeqCst), 1);
    room.membership.says("g", Says::Nothing);
    pass(Duration::from_secs(60)).await;
    room.call("g").await.unwrap();
    room.membership.lists("g", &["two"]);
    pass(Duration::from_secs(5)).await;
    room.call("g").await.unwrap();
    assert_eq!(room.fleet.runner("two").offers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_did_not_change_opens_nothing() {
    let room = Room::of(&["one", "two"]);
    room.call("g").await.unwrap();
    pass(Duration::from_secs(10)).await;
    room.membership.lists("g", &["three", "two", "two"]);
    pass(POLL).await;
    let opened = |name: &str| room.fleet.runner(name).opened.load(Ordering::SeqCst);
    assert_eq!((opened("one"), opened("two"), opened("three")), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_left_keeps_its_client_until_its_calls_have_ended() {
    let room = Room::of(&["one"]);
    let one = room.fleet.runner("one");
    let go = holds(&one);
    let waiting = room.spawn("g");
    pass(Duration::from_millis(1)).await;
    room.membership.lists("g", &["two"]);
    pass(2 * POLL).await;
    assert_eq!(one.clients.load(Ordering::SeqCst), 1);
    go.notify_one();
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "held");
    assert_eq!(one.clients.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_needs_all_of_the_wires_three_seconds_is_still_heard() {
    let room = Room::new();
    room.membership.says("g", Says::Late(Duration::from_secs(3), vec![address("one")]));
    room.call("g").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_about_one_group_delays_no_other() {
    let room = Room::of(&["one"]);
    room.membership.says("slow", Says::Nothing);
    let slow = room.spawn("slow");
    room.call("g").await.unwrap();
    for round in 0..10 {
        let name = format!("runner{round}");
        room.membership.lists("g", &[&name]);
        pass(POLL + Duration::from_millis(1)).await;
        room.call("g").await.unwrap();
        assert_eq!(room.fleet.runner(&name).offers(), 1);
    }
    assert!(!slow.is_finished());
    room.membership.lists("slow", &["one"]);
    slow.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_group_without_calls_is_forgotten_and_learnt_anew() {
    let room = Room::of(&["one"]);
    room.call("g").await.unwrap();
    let one = room.fleet.runner("one");
    pass(Duration::from_secs(599)).await;
    assert_eq!(one.clients.load(Ordering::SeqCst), 1);
    pass(Duration::from_secs(3)).await;
    assert_eq!(one.clients.load(Ordering::SeqCst), 0);
    room.call("g").await.unwrap();
    assert_eq!(one.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_with_a_call_is_never_forgotten() {
    let room = Room::of(&["one"]);
    let go = holds(&room.fleet.runner("one"));
    let waiting = room.spawn("g");
    pass(Duration::from_secs(900)).await;
    assert_eq!(room.fleet.runner("one").clients.load(Ordering::SeqCst), 1);
    go.notify_one();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn groups_past_the_bound_are_refused_and_known_ones_are_not() {
    let room = Room::with(Options { max_groups: 2, ..Options::default() });
    for group in ["a", "b", "c"] {
        room.membership.lists(group, &["one"]);
    }
    room.call("a").await.unwrap();
    room.call("b").await.unwrap();
    assert_eq!(room.call("c").await.unwrap_err().kind, Kind::Unavailable);
    room.call("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_balancer_is_ready_once_anybody_named_members_and_stays_so() {
    let room = Room::new();
    room.membership.fails("default");
    pass(Duration::from_secs(5)).await;
    assert!(!room.lb.is_ready());
    room.membership.lists("default", &[]);
    pass(POLL).await;
    assert!(room.lb.is_ready());
    room.membership.fails("default");
    pass(Duration::from_secs(5)).await;
    assert!(room.lb.is_ready());
    assert!(
        room.membership.asked.load(Ordering::SeqCst) <= 12,
        "once ready, nobody is asked about unused groups"
    );
}

#[tokio::test(start_paused = true)]
async fn a_static_list_is_ready_at_once_and_serves_every_group() {
    let fleet = Arc::<super::fakes::Fleet>::default();
    let ports = Ports {
        connector: fleet.clone(),
        membership: Arc::new(StaticMembership::new(vec![address("one")])),
        demand: None,
        placement: Arc::new(Naive::new()),
    };
    let lb = LoadBalancer::new(LbId::new("lb"), Options::default(), ports);
    let running = tokio::spawn({
        let lb = lb.clone();
        async move { lb.run(Default::default()).await }
    });
    pass(Duration::from_millis(1)).await;
    assert!(lb.is_ready());
    for group in ["blue", "green"] {
        let call = super::fakes::call(group, remuda_core::Mode::Sync);
        lb.invoker().invoke(call, remuda_core::call::empty()).await.unwrap();
    }
    assert_eq!(fleet.runner("one").offers(), 2);
    running.abort();
}
