//! Our balancer's client against our runner's server.

use crate::support::{
    Fake, answer_of, answered, by_hand, bytes_of, call, client, echo, execute, noise, offer, serve, soon,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use remuda_core::call::{empty, full};
use remuda_core::port::{Offer, Outcome, Taken};
use remuda_core::{Answer, Blame, Call, Fault, Kind, Mode, RunnerAddress};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

#[tokio::test]
async fn a_call_and_its_answer_come_through_whole() {
    let seen: Arc<Mutex<Option<Call>>> = Arc::default();
    let note = seen.clone();
    let served = serve(
        Fake::doing(move |offer: Offer| {
            let note = note.clone();
            async move {
                *note.lock().unwrap() = Some((*offer.call).clone());
                let body = bytes_of(offer.body).await?;
                let mut headers = HeaderMap::new();
                headers.append("x-answer", HeaderValue::from_static("one"));
                headers.append("x-answer", HeaderValue::from_static("two"));
                headers.append("fn-http-status", HeaderValue::from_static("418"));
                let body = full([b"heard: ", &body[..]].concat());
                Ok(Outcome::Answered(Answer { status: StatusCode::OK, headers, body }))
            }
        }),
        None,
    )
    .await;
    let answer = answer_of(execute(&client(served.address), "hello").await);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get_all("x-answer").iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(answer.headers["fn-http-status"], "418");
    assert_eq!(bytes_of(answer.body).await.unwrap(), "heard: hello");

    let (arrived, sent) = (seen.lock().unwrap().take().unwrap(), call());
    assert_eq!(arrived.target, sent.target);
    assert_eq!((arrived.id, arrived.method, arrived.url), (sent.id, sent.method, sent.url));
    assert_eq!(arrived.headers, sent.headers);
}

#[tokio::test]
async fn an_empty_body_is_an_empty_body_both_ways() {
    let served = serve(echo(), None).await;
    let answer = answer_of(execute(&client(served.address), "").await);
    assert!(bytes_of(answer.body).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn six_megabytes_come_through_bit_for_bit_both_ways() {
    let served = serve(echo(), None).await;
    let runner = client(served.address);
    let sent = noise(6 * 1024 * 1024 + 7);
    for _ in 0..2 {
        let answer = answer_of(execute(&runner, sent.clone()).await);
        assert!(bytes_of(answer.body).await.unwrap() == sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_share_a_connection_without_mixing_up() {
    let served = serve(echo(), None).await;
    let runner = client(served.address);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..200_usize {
        let runner = runner.clone();
        calls.spawn(async move {
            let sent = noise(n * 977).slice(n..);
            let answer = answer_of(execute(&runner, sent.clone()).await);
            bytes_of(answer.body).await.unwrap() == sent
        });
    }
    while let Some(same) = calls.join_next().await {
        assert!(same.unwrap());
    }
}

#[tokio::test]
async fn a_function_may_answer_before_its_request_has_ended() {
    let served = serve(echo(), None).await;
    let (sender, body) = by_hand();
    sender.send(Ok("first".into())).await.unwrap();
    let answer = answer_of(soon(client(served.address).execute(offer(body))).await);
    let mut answer = answer.body;
    let piece = soon(answer.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(piece, "first");
    // Only now, with the answer under way, does the rest of the request come.
    sender.send(Ok("second".into())).await.unwrap();
    let piece = soon(answer.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(piece, "second");
    drop(sender);
    assert!(soon(answer.frame()).await.is_none());
}

#[tokio::test]
async fn a_busy_runner_is_an_outcome_and_the_body_is_let_go() {
    let served = serve(Fake::doing(|_| async { Ok(Outcome::Busy) }), None).await;
    let (sender, body) = by_hand();
    let outcome = soon(client(served.address).execute(offer(body))).await;
    assert!(matches!(outcome, Ok(Outcome::Busy)), "{outcome:?}");
    assert!(sender.is_closed(), "the body must not be read any more once the call may be offered elsewhere");
}

#[tokio::test]
async fn a_fault_keeps_its_kind_its_text_and_whose_doing_it_is() {
    let sent = Fault::user(Kind::FunctionFailed, "error receiving function response");
    let given = sent.clone();
    let served = serve(Fake::doing(move |_| std::future::ready(Err(given.clone()))), None).await;
    let fault = execute(&client(served.address), "x").await.unwrap_err();
    assert_eq!((fault.kind, fault.message, fault.blame), (sent.kind, sent.message, Blame::User));
}

#[tokio::test]
async fn an_answer_that_breaks_off_says_why() {
    let served = serve(
        Fake::doing(|_| async {
            let (sender, body) = by_hand();
            tokio::spawn(async move {
                let _ = sender.send(Ok("half an ans".into())).await;
                let _ = sender.send(Err(Fault::timeout())).await;
            });
            Ok(answered(body))
        }),
        None,
    )
    .await;
    let answer = answer_of(execute(&client(served.address), "x").await);
    let fault = bytes_of(answer.body).await.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::Timeout, "Timed out"));
}

#[tokio::test]
async fn a_detached_call_is_accepted() {
    let served = serve(
        Fake::doing(|offer| async move {
            assert_eq!(offer.call.mode, Mode::Detached);
            Ok(Outcome::Answered(Answer::accepted()))
        }),
        None,
    )
    .await;
    let mut detached = call();
    detached.mode = Mode::Detached;
    let offer = Offer { call: Arc::new(detached), body: empty(), taken: Taken::ignored() };
    let answer = answer_of(soon(client(served.address).execute(offer)).await);
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(bytes_of(answer.body).await.unwrap().is_empty());
}

#[test]
fn groups_that_share_a_runner_share_its_connection() {
    let connector = remuda_wire::connector(None);
    let connect = |address: &str| connector.connect(&RunnerAddress::parse(address).unwrap());
    let first = connect("h1:1");
    assert!(Arc::ptr_eq(&first, &connect("h1:1")));
    assert!(!Arc::ptr_eq(&first, &connect("h2:1")));
}

#[tokio::test]
async fn a_balancer_learns_that_its_call_is_taken_before_the_answer() {
    // The runner takes the call and answers only once it has the whole body, of which the rest is sent only once the
    // call is taken.
    let served = serve(
        Fake::doing(|offer| async move {
            offer.taken.signal();
            Ok(answered(full(bytes_of(offer.body).await?)))
        }),
        None,
    )
    .await;
    let (sender, body) = by_hand();
    let taken = Arc::new(Notify::new());
    let told = taken.clone();
    let offer = Offer { call: Arc::new(call()), body, taken: Taken::new(move || told.notify_one()) };
    let runner = client(served.address);
    let waiting = tokio::spawn(async move { runner.execute(offer).await });
    sender.send(Ok("kept for a replay ".into())).await.unwrap();
    soon(taken.notified()).await;
    sender.send(Ok("let go".into())).await.unwrap();
    drop(sender);
    let answer = answer_of(soon(waiting).await.unwrap());
    assert_eq!(bytes_of(answer.body).await.unwrap(), "kept for a replay let go");
}

#[tokio::test]
async fn a_refused_call_is_never_said_to_be_taken() {
    let served = serve(Fake::doing(|_| async { Ok(Outcome::Busy) }), None).await;
    let taken = Taken::new(|| panic!("taken"));
    let offer = Offer { call: Arc::new(call()), body: full("x"), taken };
    assert!(matches!(soon(client(served.address).execute(offer)).await, Ok(Outcome::Busy)));
}

#[tokio::test]
async fn a_call_to_nobody_never_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let Ok(Outcome::NeverArrived(fault)) = execute(&client(address), "x").await else {
        panic!("it must never have arrived");
    };
    assert_eq!(fault.kind, Kind::Unavailable);
    assert!(fault.chain().contains(&address.to_string()), "{}", fault.chain());
}

#[tokio::test]
async fn a_runner_that_dies_under_a_call_is_lost() {
    let (begun, begin) = oneshot::channel();
    let begun = Mutex::new(Some(begun));
    let served = serve(
        Fake::doing(move |_| {
            let begun = begun.lock().unwrap().take();
            async move {
                begun.unwrap().send(()).unwrap();
                std::future::pending().await
            }
        }),
        None,
    )
    .await;
    let runner = client(served.address);
    let waiting = tokio::spawn({
        let runner = runner.clone();
        async move { runner.execute(offer(full("x"))).await }
    });
    soon(begin).await.unwrap();
    served.task.abort();
    let fault = soon(waiting).await.unwrap().unwrap_err();
    assert_eq!(fault.kind, Kind::RunnerLost, "{}", fault.chain());
    // The next one finds the door closed.
    let after = execute(&runner, "x").await;
    assert!(matches!(after, Ok(Outcome::NeverArrived(_))), "{after:?}");
}

#[tokio::test]
async fn a_runner_that_comes_back_is_used_again() {
    let served = serve(echo(), None).await;
    let (address, runner) = (served.address, client(served.address));
    answer_of(execute(&runner, "x").await);
    served.shutdown.cancel();
    let mut served = served;
    soon(&mut served.task).await.unwrap();
    assert!(matches!(execute(&runner, "x").await, Ok(Outcome::NeverArrived(_))));

    let listener = TcpListener::bind(address).await.unwrap();
    let service = remuda_wire::RunnerService::new(echo());
    let back = tokio::spawn(remuda_wire::serve_grpc(listener, None, service, Default::default()));
    soon(async {
        while !matches!(execute(&runner, "x").await, Ok(Outcome::Answered(_))) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    back.abort();
}

#[tokio::test]
async fn a_runner_that_shuts_down_finishes_what_it_has() {
    let (begun, begin) = oneshot::channel();
    let begun = Mutex::new(Some(begun));
    let go = Arc::new(Notify::new());
    let gone = go.clone();
    let mut served = serve(
        Fake::doing(move |offer| {
            let (begun, go) = (begun.lock().unwrap().take(), go.clone());
            async move {
                begun.unwrap().send(()).unwrap();
                go.notified().await;
                Ok(answered(offer.body))
            }
        }),
        None,
    )
    .await;
    let runner = client(served.address);
    let waiting = tokio::spawn({
        let runner = runner.clone();
        async move { runner.execute(offer(full("last words"))).await }
    });
    soon(begin).await.unwrap();
    served.shutdown.cancel();
    let refused = soon(async {
        loop {
            if let Ok(outcome @ Outcome::NeverArrived(_)) = probe(&runner).await {
                return outcome;
            }
        }
    });
    assert!(matches!(refused.await, Outcome::NeverArrived(_)));
    assert!(!served.task.is_finished());
    gone.notify_one();
    let answer = answer_of(soon(waiting).await.unwrap());
    assert_eq!(bytes_of(answer.body).await.unwrap(), "last words");
    soon(&mut served.task).await.unwrap();
}

/// A call that gives up at once when it was not refused at once.
async fn probe(runner: &Arc<dyn remuda_core::port::Executor>) -> Result<Outcome, Fault> {
    let patience = std::time::Duration::from_millis(50);
    match tokio::time::timeout(patience, runner.execute(offer(full("x")))).await {
        Ok(outcome) => outcome,
        Err(_) => Ok(Outcome::Busy),
    }
}
