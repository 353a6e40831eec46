//! One call's way.

use super::fakes::{FakeRunner, Room, Says, answer, call, holds, pass, text};
use crate::Options;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use remuda_core::port::{Offer, Outcome};
use remuda_core::{Body, Fault, Kind, Mode};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn body_of(frames: Vec<Result<&'static str, Fault>>) -> Body {
    let frames =
        frames.into_iter().map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

#[tokio::test(start_paused = true)]
async fn a_call_reaches_a_runner_of_its_group_and_its_answer_comes_back() {
    let room = Room::of(&["one"]);
    let answer = room.call("g").await.unwrap();
    assert_eq!(text(answer).await, "hello");
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_group_go_to_its_runners_only() {
    let room = Room::new();
    room.membership.lists("blue", &["blue1", "blue2"]);
    room.membership.lists("green", &["green1"]);
    room.fleet.runner("blue1").is_busy();
    for _ in 0..20 {
        room.call("blue").await.unwrap();
    }
    assert_eq!(room.fleet.runner("green1").offers(), 0);
    assert_eq!(room.fleet.runner("green1").opened.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_busy_runner_moves_the_call_on_with_its_whole_body() {
    let room = Room::of(&["one", "two"]);
    let reads_and_refuses = |runner: &FakeRunner| {
        runner.set(async |mut offer: Offer| {
            offer.body.frame().await.unwrap().unwrap();
            Ok(Outcome::Busy)
        });
    };
    reads_and_refuses(&room.fleet.runner("one"));
    let begun = Instant::now();
    for _ in 0..2 {
        let answer = room.call_with("g", body_of(vec![Ok("a"), Ok("b"), Ok("c")])).await.unwrap();
        assert_eq!(text(answer).await, "abc");
    }
    assert_eq!(room.fleet.runner("one").offers(), 1);
    assert_eq!(room.fleet.runner("two").offers(), 2);
    assert_eq!(begun.elapsed(), Duration::ZERO, "moving on takes no pause");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_is_not_reached_moves_the_call_on_and_is_tried_last_for_a_while() {
    let room = Room::of(&["one", "two"]);
    room.fleet.runner("one").is_away();
    for _ in 0..10 {
        room.call("g").await.unwrap();
    }
    assert_eq!((room.fleet.runner("one").offers(), room.fleet.runner("two").offers()), (1, 10));
    room.fleet.runner("one").echoes();
    pass(Duration::from_millis(100)).await;
    for _ in 0..10 {
        room.call("g").await.unwrap();
    }
    assert_eq!((room.fleet.runner("one").offers(), room.fleet.runner("two").offers()), (6, 15));
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_final() {
    let room = Room::of(&["one", "two"]);
    for name in ["one", "two"] {
        room.fleet.runner(name).set(async |_| Err(Fault::service(Kind::RunnerLost, "gone")));
    }
    assert_eq!(room.call("g").await.unwrap_err().kind, Kind::RunnerLost);
    assert_eq!(room.fleet.runner("one").offers() + room.fleet.runner("two").offers(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_with_room_until_the_deadline_means_busy() {
    let room = Room::of(&["one"]);
    room.fleet.runner("one").is_busy();
    let begun = Instant::now();
    assert_eq!(room.call("g").await.unwrap_err().kind, Kind::Busy);
    assert_eq!(begun.elapsed().as_secs(), 360);
    let begun = Instant::now();
    let detached = room.lb.invoker().invoke(call("g", Mode::Detached), remuda_core::call::empty()).await;
    let fault = detached.unwrap_err();
    assert_eq!(fault.kind, Kind::Foreign(500));
    assert_eq!(fault.message, "Unable to service the request for the reservation period");
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_tries_again_as_soon_as_another_of_its_group_ends() {
    let room = Room::of(&["one"]);
    let one = room.fleet.runner("one");
    let go = holds(&one);
    let first = room.spawn("g");
    pass(Duration::from_millis(1)).await;
    one.is_busy();
    let second = room.spawn("g");
    // Long enough for pauses of 200 ms, and not at the end of one.
    pass(Duration::from_millis(3333)).await;
    assert!(!second.is_finished());
    one.echoes();
    let begun = Instant::now();
    go.notify_one();
    assert_eq!(text(first.await.unwrap().unwrap()).await, "held");
    second.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_pool_is_empty_runs_as_soon_as_a_runner_is_there() {
    let room = Room::of(&[]);
    let waiting = room.spawn("g");
    pass(Duration::from_secs(20)).await;
    room.membership.lists("g", &["one"]);
    let begun = Instant::now();
    waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_of_waiting_calls_one_is_told_at_once_that_we_are_busy() {
    let room = Room::with(Options { max_waiting: 2, ..Options::default() });
    room.membership.lists("g", &["one"]);
    room.fleet.runner("one").is_busy();
    let waiting = [room.spawn("g"), room.spawn("g")];
    pass(Duration::from_millis(1)).await;
    let begun = Instant::now();
    assert_eq!(room.call("g").await.unwrap_err().kind, Kind::Busy);
    assert!(begun.elapsed() < Duration::from_millis(1));
    room.fleet.runner("one").echoes();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_the_callers_fault_whatever_the_runner_says() {
    let too_large = || body_of(vec![Ok("a"), Err(Fault::user(Kind::TooLarge, "too large"))]);
    let room = Room::of(&["one"]);
    let one = room.fleet.runner("one");
    one.set(async |offer: Offer| {
        drop(offer.body.collect().await);
        Err(Fault::service(Kind::RunnerLost, "stream reset"))
    });
    assert_eq!(room.call_with("g", too_large()).await.unwrap_err().kind, Kind::TooLarge);
    one.set(async |offer: Offer| {
        drop(offer.body.collect().await);
        Ok(Outcome::Answered(answer(remuda_core::call::full("a function that got half"))))
    });
    assert_eq!(room.call_with("g", too_large()).await.unwrap_err().kind, Kind::TooLarge);
    one.set(async |offer: Offer| {
        drop(offer.body.collect().await);
        std::future::pending().await
    });
    let begun = Instant::now();
    assert_eq!(room.call_with("g", too_large()).await.unwrap_err().kind, Kind::TooLarge);
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "a runner that ignores the end of the body is not waited for"
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_may_answer_before_it_has_read_its_request() {
    let room = Room::of(&["one"]);
    room.fleet.runner("one").set(async |offer: Offer| Ok(Outcome::Answered(answer(offer.body))));
    let big = body_of(vec![Ok("x"); 3]);
    assert_eq!(text(room.call_with("g", big).await.unwrap()).await, "xxx");
}

#[tokio::test(start_paused = true)]
async fn a_body_past_the_replay_bound_streams_on_once_the_call_is_taken() {
    let room = Room::with(Options { replay_limit: 2, ..Options::default() });
    room.membership.lists("g", &["one", "two"]);
    room.fleet.runner("one").set(async |mut offer: Offer| {
        for _ in 0..2 {
            offer.body.frame().await.unwrap().unwrap();
        }
        let more = tokio::time::timeout(Duration::from_secs(1), offer.body.frame()).await;
        assert!(more.is_err(), "the third piece came before the call was taken");
        Ok(Outcome::Busy)
    });
    room.fleet.runner("two").set(async |offer: Offer| {
        offer.taken.signal();
        let body = offer.body.collect().await?.to_bytes();
        Ok(Outcome::Answered(answer(remuda_core::call::full(body))))
    });
    let answer = room.call_with("g", body_of(vec![Ok("a"), Ok("b"), Ok("c"), Ok("d")])).await.unwrap();
    assert_eq!(text(answer).await, "abcd");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_refuses_a_small_call_after_it_was_presumed_taken_moves_it_on() {
    for says in [Outcome::Busy, Outcome::NeverArrived(Fault::service(Kind::Unavailable, "no route"))] {
        let says = std::sync::Mutex::new(Some(says));
        let room = Room::of(&["one", "two"]);
        room.fleet.runner("one").set(move |mut offer: Offer| {
            let says = says.lock().unwrap().take().unwrap();
            async move {
                offer.taken.signal();
                offer.body.frame().await.unwrap().unwrap();
                Ok(says)
            }
        });
        for _ in 0..2 {
            let answer = room.call_with("g", body_of(vec![Ok("a"), Ok("b")])).await.unwrap();
            assert_eq!(text(answer).await, "ab");
        }
        assert_eq!(room.fleet.runner("one").offers(), 1);
        assert_eq!(room.fleet.runner("two").offers(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_takes_a_call_and_refuses_it_when_bytes_are_gone_ends_it() {
    let room = Room::with(Options { replay_limit: 1, ..Options::default() });
    room.membership.lists("g", &["one"]);
    room.fleet.runner("one").set(async |offer: Offer| {
        offer.taken.signal();
        drop(offer.body.collect().await);
        Ok(Outcome::Busy)
    });
    let fault = room.call_with("g", body_of(vec![Ok("a"), Ok("b"), Ok("c")])).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Busy);
    assert_eq!(room.fleet.runner("one").offers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_name_is_too_long_is_refused_before_anybody_hears_of_it() {
    let room = Room::new();
    let longest = "g".repeat(255);
    room.membership.lists(&longest, &["one"]);
    room.call(&longest).await.unwrap();
    let asked = room.membership.asked.load(std::sync::atomic::Ordering::SeqCst);
    let fault = room.call(&"g".repeat(256)).await.unwrap_err();
    assert_eq!((fault.kind, fault.blame), (Kind::Invalid, remuda_core::Blame::User));
    assert_eq!(fault.message, "FN_LB_GROUP_ID is longer than 255 bytes");
    assert_eq!(room.membership.asked.load(std::sync::atomic::Ordering::SeqCst), asked);
    let told = room.sink.next().await;
    assert_eq!(told, [(longest, 128)], "only the group that was called is told of");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_never_answers_is_given_up() {
    let room = Room::of(&["one"]);
    room.fleet.runner("one").hangs();
    let begun = Instant::now();
    assert_eq!(room.call("g").await.unwrap_err().kind, Kind::RunnerLost);
    assert_eq!(begun.elapsed().as_secs(), 360 + 30 + 600);
}

#[tokio::test(start_paused = true)]
async fn answers_go_on_after_the_balancer_stopped() {
    let room = Room::of(&["one"]);
    let go = holds(&room.fleet.runner("one"));
    let waiting = room.spawn("g");
    pass(Duration::from_millis(1)).await;
    room.shutdown.cancel();
    room.running.await.unwrap();
    go.notify_one();
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "held");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_refused_to_the_caller_is_told_at_once() {
    let room = Room::new();
    room.membership.says("g", Says::Fails(Fault::user(Kind::NotFound, "no such group")));
    let begun = Instant::now();
    assert_eq!(room.call("g").await.unwrap_err().message, "no such group");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_group_that_nobody_knows_says_why_at_the_deadline() {
    let room = Room::new();
    room.membership.fails("g");
    assert_eq!(room.call("g").await.unwrap_err().message, "manager away");
}

/// Orders like nothing sensible.
struct Mad;
impl remuda_core::port::Placement for Mad {
    fn order(
        &self,
        _: &remuda_core::FnId,
        candidates: &[remuda_core::RunnerAddress],
        order: &mut Vec<usize>,
    ) {
        order.extend([usize::MAX, candidates.len(), 1, 1, 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_placement_that_names_runners_that_are_not_there_does_no_harm() {
    let fleet = Arc::new(super::fakes::Fleet::default());
    fleet.runner("two").is_busy();
    let ports = crate::Ports {
        connector: fleet.clone(),
        membership: Arc::new(crate::StaticMembership::new(vec![
            super::fakes::address("one"),
            super::fakes::address("two"),
        ])),
        demand: None,
        placement: Arc::new(Mad),
    };
    let lb = crate::LoadBalancer::new(remuda_core::LbId::new("lb"), Options::default(), ports);
    let running = tokio::spawn({
        let lb = lb.clone();
        async move { lb.run(Default::default()).await }
    });
    let answer = lb.invoker().invoke(call("g", Mode::Sync), remuda_core::call::full("x")).await.unwrap();
    assert_eq!(text(answer).await, "x");
    assert_eq!(fleet.runner("two").offers(), 1);
    running.abort();
}
