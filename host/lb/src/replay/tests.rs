use super::*;
use futures_util::FutureExt;
use remuda_core::Kind;
use std::collections::VecDeque;

/// A caller's body of given pieces.
struct Pieces(VecDeque<Result<Bytes, Fault>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Fault;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

fn pieces(pieces: &[&'static str]) -> Body {
    Pieces(pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect()).boxed_unsync()
}

/// The next piece, if there is one at once: `None` means that the body waits.
fn next(body: &mut Body) -> Option<Option<Result<String, Kind>>> {
    let frame = body.frame().now_or_never()?;
    Some(frame.map(|frame| match frame {
        Ok(frame) => Ok(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
        Err(fault) => Err(fault.kind),
    }))
}

fn piece(text: &str) -> Option<Option<Result<String, Kind>>> {
    Some(Some(Ok(text.to_owned())))
}

#[test]
fn every_attempt_reads_the_body_from_its_beginning() {
    let replay = Replay::new(pieces(&["a", "b", "c"]), 100);
    let (mut first, _) = replay.attempt().unwrap();
    assert_eq!(next(&mut first), piece("a"));
    assert_eq!(next(&mut first), piece("b"));
    let (mut second, _) = replay.attempt().unwrap();
    for expected in [piece("a"), piece("b"), piece("c"), Some(None), Some(None)] {
        assert_eq!(next(&mut second), expected);
    }
    let (mut third, _) = replay.attempt().unwrap();
    for expected in [piece("a"), piece("b"), piece("c"), Some(None)] {
        assert_eq!(next(&mut third), expected);
    }
}

#[test]
fn replayed_pieces_are_not_copies() {
    let replay = Replay::new(pieces(&["abc"]), 100);
    let read =
        |mut body: Body| body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap().as_ptr();
    let first = read(replay.attempt().unwrap().0);
    assert_eq!(read(replay.attempt().unwrap().0), first);
}

#[test]
fn at_the_bound_an_attempt_waits_until_its_runner_has_taken_the_call() {
    let replay = Replay::new(pieces(&["abc", "d", "e"]), 4);
    let (mut body, taken) = replay.attempt().unwrap();
    assert_eq!(next(&mut body), piece("abc"));
    assert_eq!(next(&mut body), piece("d"));
    assert_eq!(next(&mut body), None);
    taken.signal();
    assert_eq!(next(&mut body), piece("e"));
    assert_eq!(next(&mut body), Some(None));
}

#[test]
fn a_body_past_the_bound_can_still_move_on_while_nobody_has_taken_it() {
    let replay = Replay::new(pieces(&["abc", "d", "e"]), 4);
    let (mut busy, late) = replay.attempt().unwrap();
    while next(&mut busy).is_some() {}
    let (mut body, taken) = replay.attempt().unwrap();
    late.signal();
    assert_eq!(next(&mut body), piece("abc"));
    assert_eq!(next(&mut body), piece("d"));
    assert_eq!(next(&mut body), None, "the signal of an earlier attempt means nothing");
    taken.signal();
    assert_eq!(next(&mut body), piece("e"));
}

#[tokio::test]
async fn the_signal_wakes_an_attempt_that_waits_at_the_bound() {
    let replay = Replay::new(pieces(&["abcd", "e"]), 4);
    let (mut body, taken) = replay.attempt().unwrap();
    assert_eq!(next(&mut body), piece("abcd"));
    let mut waiting = tokio_test_spawn(async move { body.frame().await.is_some() });
    assert!(!waiting.woken_and_done());
    taken.signal();
    assert!(waiting.woken_and_done());
}

/// A future that is polled only when it was woken.
struct Spawned<F> {
    future: Pin<Box<F>>,
    woken: Arc<std::sync::atomic::AtomicBool>,
}

struct Flag(Arc<std::sync::atomic::AtomicBool>);
impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

fn tokio_test_spawn<F: Future>(future: F) -> Spawned<F> {
    Spawned { future: Box::pin(future), woken: Arc::new(true.into()) }
}

impl<F: Future> Spawned<F> {
    fn woken_and_done(&mut self) -> bool {
        if !self.woken.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return false;
        }
        let waker = Arc::new(Flag(Arc::clone(&self.woken))).into();
        self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }
}

#[test]
fn once_released_nothing_is_kept_and_what_was_kept_goes() {
    let replay = Replay::new(pieces(&["a", "b", "c", "d"]), 100);
    let (mut first, _) = replay.attempt().unwrap();
    while !matches!(next(&mut first), Some(Some(Ok(text))) if text == "c") {}
    let (mut body, _) = replay.attempt().unwrap();
    let kept = || replay.0.as_ref().unwrap().state().kept.iter().filter(|piece| !piece.is_empty()).count();
    assert_eq!(next(&mut body), piece("a"));
    assert_eq!(kept(), 3);
    replay.release();
    assert_eq!(kept(), 2, "what this attempt has read is gone at once");
    assert_eq!(next(&mut body), piece("b"));
    assert_eq!(next(&mut body), piece("c"));
    assert_eq!(kept(), 0);
    assert_eq!(next(&mut body), piece("d"));
    assert_eq!(kept(), 0);
    assert_eq!(next(&mut body), Some(None));
    assert!(replay.attempt().is_none(), "the call cannot move on any more");
}

#[test]
fn a_body_within_the_bound_can_still_move_on_from_a_runner_that_seemed_to_have_taken_it() {
    let replay = Replay::new(pieces(&["a", "b", "c"]), 3);
    let (mut refuses, taken) = replay.attempt().unwrap();
    assert_eq!(next(&mut refuses), piece("a"));
    taken.signal();
    assert_eq!(next(&mut refuses), piece("b"));
    let (mut body, _) = replay.attempt().expect("all bytes are there");
    for expected in [piece("a"), piece("b"), piece("c")] {
        assert_eq!(next(&mut body), expected);
    }
    assert_eq!(next(&mut body), None, "the word of the first runner does not count for the second one");
}

#[test]
fn past_the_bound_a_taken_body_flows_on_unkept_and_cannot_move_on() {
    let replay = Replay::new(pieces(&["a", "b", "c"]), 2);
    let (mut body, taken) = replay.attempt().unwrap();
    taken.signal();
    for expected in [piece("a"), piece("b")] {
        assert_eq!(next(&mut body), expected);
    }
    assert!(!replay.0.as_ref().unwrap().state().released);
    assert_eq!(next(&mut body), piece("c"));
    assert!(replay.0.as_ref().unwrap().state().kept.is_empty());
    assert!(replay.attempt().is_none());
}

#[test]
fn the_body_of_an_attempt_that_was_given_up_ends_with_a_fault() {
    let replay = Replay::new(pieces(&["abcd", "b"]), 4);
    let (mut old, _) = replay.attempt().unwrap();
    assert_eq!(next(&mut old), piece("abcd"));
    let mut waiting = tokio_test_spawn(async move { old.frame().await.unwrap().unwrap_err().kind });
    assert!(!waiting.woken_and_done());
    let _new = replay.attempt().unwrap();
    assert!(waiting.woken_and_done(), "it is woken, and does not read the new attempt's bytes");
}

#[tokio::test]
async fn the_fault_of_the_callers_body_reaches_the_executor_and_is_remembered() {
    let too_large = Fault::user(Kind::TooLarge, "too large");
    let source = Pieces([Ok(Bytes::from_static(b"a")), Err(too_large)].into());
    let replay = Replay::new(source.boxed_unsync(), 100);
    let (mut body, _) = replay.attempt().unwrap();
    assert_eq!(next(&mut body), piece("a"));
    assert!(replay.fault().is_none());
    assert_eq!(next(&mut body), Some(Some(Err(Kind::TooLarge))));
    assert_eq!(next(&mut body), Some(None));
    assert_eq!(replay.fault().unwrap().kind, Kind::TooLarge);
    assert_eq!(replay.failed().await.kind, Kind::TooLarge);
}

#[test]
fn an_empty_body_costs_nothing_and_can_always_be_offered_again() {
    let replay = Replay::new(remuda_core::call::empty(), 0);
    for _ in 0..2 {
        let (body, taken) = replay.attempt().unwrap();
        taken.signal();
        assert!(body.is_end_stream());
    }
    assert!(replay.0.is_none());
}

#[test]
fn the_length_of_a_body_is_known_in_every_attempt() {
    let replay = Replay::new(remuda_core::call::full("hello"), 100);
    let (mut first, _) = replay.attempt().unwrap();
    assert_eq!(first.size_hint().exact(), Some(5));
    assert!(!first.is_end_stream());
    assert_eq!(next(&mut first), piece("hello"));
    assert!(first.is_end_stream());
    assert_eq!(first.size_hint().exact(), Some(0));
    let (second, _) = replay.attempt().unwrap();
    assert_eq!(second.size_hint().exact(), Some(5));
}

#[tokio::test]
async fn trailers_are_replayed() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
    let source = http_body_util::Full::new(Bytes::from_static(b"a")).map_err(|never| match never {});
    let replay =
        Replay::new(source.with_trailers(std::future::ready(Some(Ok(trailers.clone())))).boxed_unsync(), 100);
    for _ in 0..2 {
        let (body, _) = replay.attempt().unwrap();
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
    }
}
