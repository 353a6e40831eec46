//! A balancer that is not ours (tonic's own client, which announces nothing) against our runner's server.

use crate::support::{Fake, Served, answered, bytes_of, echo, noise, serve, soon};
use bytes::Bytes;
use remuda_core::call::full;
use remuda_core::port::Outcome;
use remuda_core::{Fault, Kind};
use remuda_proto::Struct;
use remuda_proto::runner::call_result_start::Meta;
use remuda_proto::runner::runner_protocol_client::RunnerProtocolClient;
use remuda_proto::runner::{
    CallFinished, ClientMsg, ConfigMsg, DataFrame, LogRequestMsg, RunnerMsg, TryCall, client_msg, runner_msg,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const MODEL: &str = r#"{"id":"the-call","image":"x/y:1","type":"sync","timeout":30,"memory":128,
    "config":{"A":"1"},"headers":{"Content-Type":["text/plain"]},"completed_at":"0001-01-01T00:00:00.000Z"}"#;

async fn balancer(served: &Served) -> RunnerProtocolClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    RunnerProtocolClient::new(endpoint.connect().await.unwrap())
}

fn try_call(model: &str) -> ClientMsg {
    let tried = TryCall { models_call_json: model.into(), ..TryCall::default() };
    ClientMsg { body: Some(client_msg::Body::Try(tried)) }
}

fn data(bytes: impl Into<Bytes>, eof: bool) -> ClientMsg {
    ClientMsg { body: Some(client_msg::Body::Data(DataFrame { data: bytes.into(), eof })) }
}

/// Everything that a runner says to `messages`, sent on a stream that is left open, as Fn's balancer does.
async fn engage(served: &Served, messages: Vec<ClientMsg>) -> Result<Vec<RunnerMsg>, Status> {
    let (sender, receiver) = mpsc::channel(messages.len().max(1));
    for message in messages {
        sender.send(message).await.unwrap();
    }
    let mut client = balancer(served).await;
    let response = soon(client.engage(ReceiverStream::new(receiver))).await?;
    assert!(!response.metadata().contains_key("remuda-wire"), "announced to a foreigner");
    let mut stream = response.into_inner();
    let mut heard = Vec::new();
    while let Some(message) = soon(stream.message()).await? {
        heard.push(message);
    }
    Ok(heard)
}

fn finished(message: &RunnerMsg) -> &CallFinished {
    match &message.body {
        Some(runner_msg::Body::Finished(finished)) => finished,
        other => panic!("not finished: {other:?}"),
    }
}

#[tokio::test]
async fn a_good_call_is_result_start_then_data_then_finished() {
    let served = serve(
        Fake::doing(|offer| async move {
            offer.taken.signal();
            let body = bytes_of(offer.body).await?;
            assert_eq!(offer.call.target.config["A"], "1");
            Ok(answered(full(body)))
        }),
        None,
    )
    .await;
    let sent = noise(30_000);
    let messages = vec![
        try_call(MODEL),
        data(sent.slice(..10_240), false),
        data(sent.slice(10_240..20_480), false),
        data(sent.slice(20_480..), false),
        data("", true),
    ];
    let heard = engage(&served, messages).await.unwrap();
    let Some(runner_msg::Body::ResultStart(start)) = &heard[0].body else { panic!("{:?}", heard[0]) };
    let Some(Meta::Http(meta)) = &start.meta else { panic!("no head") };
    assert_eq!(meta.status_code, 200);
    let (last, pieces) = heard[1..].split_last().unwrap();
    let mut body = Vec::new();
    for piece in pieces {
        let Some(runner_msg::Body::Data(piece)) = &piece.body else { panic!("{piece:?}") };
        assert!(!piece.eof && piece.data.len() <= 10_240 && !piece.data.is_empty());
        body.extend_from_slice(&piece.data);
    }
    assert!(body == sent);
    let end = finished(last);
    assert!(end.success && end.error_code == 0);
    assert_eq!((end.details.as_str(), end.image.as_str()), ("the-call", "x/y:1"));
    assert!(!end.created_at.is_empty() && !end.started_at.is_empty() && !end.completed_at.is_empty());
}

#[tokio::test]
async fn a_refusal_is_a_finished_503_on_a_good_stream() {
    let served = serve(Fake::doing(|_| async { Ok(Outcome::Busy) }), None).await;
    let heard = engage(&served, vec![try_call(MODEL), data("x", true)]).await.unwrap();
    let end = finished(&heard[0]);
    assert_eq!((heard.len(), end.success, end.error_code), (1, false, 503));
    assert_eq!(end.error_str, "Timed out - server too busy");
}

#[tokio::test]
async fn a_failure_before_the_answer_is_finished_alone() {
    let fault = Fault::user(Kind::InitTimeout, "Container initialization timed out");
    let served = serve(Fake::doing(move |_| std::future::ready(Err(fault.clone()))), None).await;
    let heard = engage(&served, vec![try_call(MODEL), data("", true)]).await.unwrap();
    let end = finished(&heard[0]);
    assert_eq!((heard.len(), end.success, end.error_code, end.error_user), (1, false, 504, true));
}

#[tokio::test]
async fn a_first_message_that_is_no_try_breaks_the_protocol() {
    let served = serve(echo(), None).await;
    let status = engage(&served, vec![data("x", true)]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, "Protocol failure: expected ClientMsg_Try")
    );
}

#[tokio::test]
async fn a_second_try_breaks_the_protocol() {
    let served =
        serve(Fake::doing(|offer| async move { Ok(answered(full(bytes_of(offer.body).await?))) }), None)
            .await;
    let status = engage(&served, vec![try_call(MODEL), data("x", false), try_call(MODEL)]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, "Protocol failure: expected ClientMsg_Data")
    );
}

#[tokio::test]
async fn a_call_that_cannot_be_read_is_finished_with_the_code_zero() {
    let served = serve(echo(), None).await;
    let heard = engage(&served, vec![try_call("nonsense")]).await.unwrap();
    let end = finished(&heard[0]);
    assert!(!end.success && end.error_code == 0 && !end.error_str.is_empty(), "{end:?}");

    let tried = TryCall { models_call_json: MODEL.into(), slot_hash_id: "zz".into(), ..TryCall::default() };
    let heard = engage(&served, vec![ClientMsg { body: Some(client_msg::Body::Try(tried)) }]).await.unwrap();
    assert_eq!(finished(&heard[0]).error_code, 0);
}

#[tokio::test]
async fn a_balancer_that_ends_its_stream_inside_the_body_has_cancelled() {
    let (told, seen) = mpsc::channel(1);
    let served = serve(
        Fake::doing(move |offer| {
            let told = told.clone();
            async move {
                let fault = bytes_of(offer.body).await.unwrap_err();
                told.send(fault.kind).await.unwrap();
                Err(fault)
            }
        }),
        None,
    )
    .await;
    let mut seen = seen;
    let half = tokio_stream::iter([try_call(MODEL), data("half", false)]);
    let _ = soon(balancer(&served).await.engage(half)).await;
    assert_eq!(soon(seen.recv()).await, Some(Kind::Cancelled));
}

#[tokio::test]
async fn status_counts_calls_and_refusals() {
    let served = serve(
        Fake::doing(|offer| async move {
            if bytes_of(offer.body).await?.is_empty() { Ok(Outcome::Busy) } else { Ok(answered(full("y"))) }
        }),
        None,
    )
    .await;
    engage(&served, vec![try_call(MODEL), data("x", true)]).await.unwrap();
    engage(&served, vec![try_call(MODEL), data("", true)]).await.unwrap();
    let mut client = balancer(&served).await;
    let first = soon(client.status(())).await.unwrap().into_inner();
    let second = soon(client.status2(Struct::default())).await.unwrap().into_inner();
    assert_eq!((first.active, first.requests_received, first.requests_handled), (0, 2, 1));
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_configuration_is_taken_and_logs_are_not_streamed() {
    let served = serve(echo(), None).await;
    let mut client = balancer(&served).await;
    soon(client.configure_runner(ConfigMsg::default())).await.unwrap();
    let asked = tokio_stream::iter([LogRequestMsg::default()]);
    let status = soon(client.stream_logs(asked)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "runner not configured with logStreamer"));
}
