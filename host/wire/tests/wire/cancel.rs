//! Calls that end before their time.

use crate::support::{
    Fake, answer_of, answered, by_hand, bytes_of, call, client, dropped, execute, noise, offer, serve, soon,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use remuda_core::call::full;
use remuda_core::port::{Offer, Taken};
use remuda_core::{Fault, Kind, Mode};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// What a stream and its buffers hold is less.
const MORE_THAN_FITS: usize = 4 << 20;
/// Long enough for a reset to arrive, and much shorter than what else would end these calls.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(5);

#[tokio::test]
async fn a_caller_that_goes_away_before_the_answer_cancels_the_call() {
    let (guard, cancelled) = dropped();
    let guard = Mutex::new(Some(guard));
    let (begun, begin) = oneshot::channel();
    let begun = Mutex::new(Some(begun));
    let served = serve(
        Fake::doing(move |offer| {
            let (guard, begun) = (guard.lock().unwrap().take(), begun.lock().unwrap().take());
            async move {
                let _held = (guard, offer);
                begun.unwrap().send(()).unwrap();
                std::future::pending().await
            }
        }),
        None,
    )
    .await;
    let runner = client(served.address);
    let waiting = tokio::spawn(async move { runner.execute(offer(full("x"))).await });
    soon(begin).await.unwrap();
    assert_eq!(served.service.active(), 1);
    waiting.abort();
    soon(cancelled).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_inside_the_answer_cancels_the_call() {
    let (guard, cancelled) = dropped();
    let guard = Mutex::new(Some(guard));
    let served = serve(
        Fake::doing(move |_| {
            let guard = guard.lock().unwrap().take();
            let endless = futures_util::stream::unfold(guard, |guard| async {
                tokio::task::yield_now().await;
                Some((Ok(http_body::Frame::data(Bytes::from_static(&[7; 1000]))), guard))
            });
            std::future::ready(Ok(answered(http_body_util::StreamBody::new(endless).boxed_unsync())))
        }),
        None,
    )
    .await;
    let mut answer = answer_of(execute(&client(served.address), "x").await);
    assert!(soon(answer.body.frame()).await.unwrap().is_ok());
    drop(answer);
    soon(cancelled).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_while_nobody_reads_its_body_cancels_the_call() {
    let (guard, cancelled) = dropped();
    let guard = Mutex::new(Some(guard));
    let served = serve(
        Fake::doing(move |offer| {
            let guard = guard.lock().unwrap().take();
            async move {
                let _held = guard;
                offer.taken.signal();
                let _unread = offer.body;
                std::future::pending().await
            }
        }),
        None,
    )
    .await;
    let runner = client(served.address);
    let taken = Arc::new(Notify::new());
    let told = taken.clone();
    let body = full(noise(MORE_THAN_FITS));
    let offer = Offer { call: Arc::new(call()), body, taken: Taken::new(move || told.notify_one()) };
    let waiting = tokio::spawn(async move { runner.execute(offer).await });
    // The answer's head has come, and the body has filled all there is.
    soon(taken.notified()).await;
    waiting.abort();
    tokio::time::timeout(AT_ONCE, cancelled).await.expect("the call goes on").unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_inside_the_answer_while_nobody_reads_its_body_cancels_the_call() {
    let (guard, cancelled) = dropped();
    let guard = Mutex::new(Some(guard));
    let served = serve(
        Fake::doing(move |offer| {
            let held = (guard.lock().unwrap().take(), offer.body);
            let stuck = futures_util::stream::unfold((0, held), |(n, held)| async move {
                match n {
                    0 => Some((Ok(http_body::Frame::data(Bytes::from_static(b"and then?"))), (1, held))),
                    _ => std::future::pending().await,
                }
            });
            std::future::ready(Ok(answered(http_body_util::StreamBody::new(stuck).boxed_unsync())))
        }),
        None,
    )
    .await;
    let mut answer = answer_of(execute(&client(served.address), noise(MORE_THAN_FITS)).await);
    assert!(soon(answer.body.frame()).await.unwrap().is_ok());
    drop(answer);
    tokio::time::timeout(AT_ONCE, cancelled).await.expect("the call goes on").unwrap();
}

#[tokio::test]
async fn a_cancelled_call_does_not_disturb_the_others_on_its_connection() {
    let served = serve(
        Fake::doing(|offer| async move {
            match offer.call.mode {
                Mode::Sync => Ok(answered(full(bytes_of(offer.body).await?))),
                Mode::Detached => {
                    offer.taken.signal();
                    std::future::pending().await
                }
            }
        }),
        None,
    )
    .await;
    let runner = client(served.address);
    for _ in 0..20 {
        let taken = Arc::new(Notify::new());
        let told = taken.clone();
        let mut stuck = call();
        stuck.mode = Mode::Detached;
        let body = full(noise(MORE_THAN_FITS));
        let offer = Offer { call: Arc::new(stuck), body, taken: Taken::new(move || told.notify_one()) };
        let waiting = tokio::spawn({
            let runner = runner.clone();
            async move { runner.execute(offer).await }
        });
        soon(taken.notified()).await;
        waiting.abort();
        let sent = noise(3 << 20);
        let answer = answer_of(execute(&runner, sent.clone()).await);
        assert!(bytes_of(answer.body).await.unwrap() == sent);
    }
}

#[tokio::test]
async fn a_function_that_answers_without_reading_ends_the_call() {
    let served = serve(Fake::doing(|_| async { Ok(answered(full("no need"))) }), None).await;
    let runner = client(served.address);
    for _ in 0..20 {
        let answer = answer_of(execute(&runner, noise(MORE_THAN_FITS)).await);
        assert_eq!(bytes_of(answer.body).await.unwrap(), "no need");
    }
    soon(async {
        while served.service.active() > 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_whose_body_breaks_off_gets_its_own_fault_and_the_call_is_cancelled() {
    let (guard, cancelled) = dropped();
    let guard = Mutex::new(Some(guard));
    let served = serve(
        Fake::doing(move |offer| {
            let guard = guard.lock().unwrap().take();
            async move {
                let _held = guard;
                match bytes_of(offer.body).await {
                    Ok(_) => panic!("a broken request must not look like a whole one"),
                    Err(_) => std::future::pending().await,
                }
            }
        }),
        None,
    )
    .await;
    let (sender, body) = by_hand();
    let runner = client(served.address);
    let waiting = tokio::spawn(async move { runner.execute(offer(body)).await });
    sender.send(Ok("some".into())).await.unwrap();
    sender.send(Err(Fault::user(Kind::TooLarge, "too large"))).await.unwrap();
    let fault = soon(waiting).await.unwrap().unwrap_err();
    assert_eq!(fault.kind, Kind::TooLarge, "{}", fault.chain());
    soon(cancelled).await.unwrap();
}

#[tokio::test]
async fn a_call_on_a_runner_that_has_frozen_is_lost() {
    let begun = Arc::new(Notify::new());
    let begin = begun.clone();
    let served = serve(
        Fake::doing(move |offer| {
            let begun = begun.clone();
            async move {
                begun.notify_one();
                let _held = offer;
                std::future::pending().await
            }
        }),
        None,
    )
    .await;
    // Between the two, somebody who stops passing anything on and keeps both connections open.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let runner = client(listener.local_addr().unwrap());
    let freeze = Arc::new(Notify::new());
    let frozen = freeze.clone();
    let address = served.address;
    tokio::spawn(async move {
        let mut passed = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let frozen = frozen.clone();
            passed.spawn(async move {
                let mut far = tokio::net::TcpStream::connect(address).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = frozen.notified() => std::future::pending().await,
                }
            });
        }
    });
    let waiting = tokio::spawn(async move { runner.execute(offer(full("x"))).await });
    soon(begin.notified()).await;
    tokio::time::pause();
    freeze.notify_waiters();
    let fault = soon(waiting).await.unwrap().unwrap_err();
    assert_eq!(fault.kind, Kind::RunnerLost);
    assert!(fault.chain().contains("does not answer pings"), "{}", fault.chain());
}
