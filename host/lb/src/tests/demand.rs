//! What the manager is told.

use super::fakes::{Room, answer, holds, pass};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use remuda_core::port::{Offer, Outcome};
use remuda_core::{Fault, GroupId};
use std::time::Duration;
use tokio::time::Instant;

fn wanted(room: &Room) -> Vec<u64> {
    let messages = room.sink.messages.borrow();
    messages.iter().map(|message| message.iter().map(|demand| demand.memory.0).sum()).collect()
}

#[tokio::test(start_paused = true)]
async fn demand_is_told_from_the_search_for_a_runner_to_the_end_of_the_answer() {
    let room = Room::of(&["one"]);
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Fault>>(1);
    let receive = std::sync::Mutex::new(Some(receive));
    room.fleet.runner("one").set(move |_: Offer| {
        let mut receive = receive.lock().unwrap().take().unwrap();
        let frames = futures_util::stream::poll_fn(move |cx| receive.poll_recv(cx));
        async move { Ok(Outcome::Answered(answer(StreamBody::new(frames).boxed_unsync()))) }
    });
    pass(Duration::from_millis(100)).await;
    let mut answered = room.call("g").await.unwrap();
    for _ in 0..4 {
        assert_eq!(room.sink.next().await, [("g".to_owned(), 128)]);
    }
    send.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.unwrap();
    answered.body.frame().await.unwrap().unwrap();
    drop(send);
    assert!(answered.body.frame().await.is_none());
    // It is gone once the stream has ended, though the body still exists. The first message after that still names
    // what was wanted at its highest since the one before.
    assert_eq!(room.sink.next().await, [("g".to_owned(), 128)]);
    assert_eq!(room.sink.next().await, [("g".to_owned(), 0)], "idle: named once more with zero");
    assert_eq!(room.sink.next().await, []);
    drop(answered);
}

#[tokio::test(start_paused = true)]
async fn demand_returns_to_zero_when_a_call_is_cancelled_wherever_it_is() {
    let room = Room::of(&["hangs"]);
    room.fleet.runner("hangs").hangs();
    room.membership.lists("empty", &[]);
    room.membership.lists("streams", &["streams"]);
    room.fleet.runner("streams").set(async |_| {
        let endless = futures_util::stream::pending::<Result<Frame<Bytes>, Fault>>();
        Ok(Outcome::Answered(answer(StreamBody::new(endless).boxed_unsync())))
    });
    let hanging = room.spawn("g");
    let waiting = room.spawn("empty");
    let streaming = room.call("streams").await.unwrap();
    pass(Duration::from_millis(1500)).await;
    assert_eq!(wanted(&room).last(), Some(&384));
    hanging.abort();
    waiting.abort();
    drop(streaming);
    pass(Duration::from_millis(2000)).await;
    assert_eq!(wanted(&room).last(), Some(&0));
    assert_eq!(room.sink.next().await, []);
}

#[tokio::test(start_paused = true)]
async fn demand_returns_to_zero_when_a_runners_client_panics() {
    let room = Room::of(&["one"]);
    room.fleet.runner("one").set(async |_| panic!("as the test wants it"));
    let call = room.spawn("g");
    assert!(call.await.unwrap_err().is_panic());
    pass(Duration::from_millis(2500)).await;
    assert_eq!(wanted(&room).last(), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_begins_to_want_something_is_told_of_at_once() {
    let room = Room::of(&[]);
    room.sink.next().await;
    pass(Duration::from_millis(300)).await;
    let begun = Instant::now();
    let _waiting = room.spawn("g");
    assert_eq!(room.sink.next().await, [("g".to_owned(), 128)]);
    assert!(begun.elapsed() <= Duration::from_millis(50), "{:?}", begun.elapsed());
    let _another = room.spawn("g");
    let next = Instant::now();
    assert_eq!(room.sink.next().await, [("g".to_owned(), 256)]);
    assert_eq!(next.elapsed().as_millis(), 1000, "more of what is known waits for the interval");
}

#[tokio::test(start_paused = true)]
async fn many_groups_that_begin_together_make_few_messages() {
    let room = Room::new();
    room.sink.next().await;
    for n in 0..100 {
        drop(room.spawn(&format!("g{n}")));
        pass(Duration::from_millis(1)).await;
    }
    assert!(room.sink.messages.borrow().len() <= 5, "{}", room.sink.messages.borrow().len());
    assert_eq!(room.sink.next().await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn calls_shorter_than_the_interval_are_seen() {
    let room = Room::of(&["one"]);
    room.call("g").await.unwrap();
    assert_eq!(room.sink.next().await, [("g".to_owned(), 128)]);
    assert_eq!(room.sink.next().await, [("g".to_owned(), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_zero_that_was_lost_is_said_again_and_a_manager_away_stops_no_call() {
    let room = Room::of(&["one"]);
    let go = holds(&room.fleet.runner("one"));
    let call = room.spawn("g");
    assert_eq!(room.sink.next().await, [("g".to_owned(), 128)]);
    *room.sink.fails.lock().unwrap() = true;
    go.notify_one();
    call.await.unwrap().unwrap();
    room.sink.next().await;
    for _ in 0..3 {
        assert_eq!(room.sink.next().await, [("g".to_owned(), 0)]);
    }
    *room.sink.fails.lock().unwrap() = false;
    assert_eq!(room.sink.next().await, [("g".to_owned(), 0)]);
    assert_eq!(room.sink.next().await, []);
}

#[test]
fn a_share_of_the_demand_is_given_back_exactly() {
    let group = crate::pools::Group::for_test(GroupId::new("g"));
    let now = remuda_core::Moment::from_ms(1);
    let memory = |mb| remuda_core::MemoryMb(mb);
    assert_eq!(group.enter(memory(100), now), Some(true), "it began to want something");
    assert_eq!(group.enter(memory(28), now), Some(false));
    group.leave(memory(100));
    assert_eq!(group.wanted(), memory(28));
    group.leave(memory(28));
    assert_eq!(group.wanted(), memory(0));
    assert_eq!(group.take_peak(), (memory(128), memory(0)));
    assert_eq!(group.take_peak(), (memory(0), memory(0)));
}
