//! Our balancer's client against a runner that is not ours (tonic's own server, which announces nothing).

use crate::support::{answer_of, bytes_of, call, client, execute, noise, soon};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use remuda_core::call::full;
use remuda_core::port::{Offer, Outcome, Taken};
use remuda_core::{Fault, Kind};
use remuda_proto::Struct;
use remuda_proto::runner::call_result_start::Meta;
use remuda_proto::runner::runner_protocol_server::{RunnerProtocol, RunnerProtocolServer};
use remuda_proto::runner::{
    CallFinished, CallResultStart, ClientMsg, ConfigMsg, ConfigStatus, DataFrame, HttpRespMeta,
    LogRequestMsg, LogResponseMsg, RunnerMsg, RunnerStatus, client_msg, runner_msg,
};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Status, Streaming};

type Replies = mpsc::Sender<Result<RunnerMsg, Status>>;
type Behaviour = Arc<dyn Fn(Streaming<ClientMsg>, Replies) -> BoxFuture<'static, ()> + Send + Sync>;

struct Foreign(Behaviour);

#[async_trait]
impl RunnerProtocol for Foreign {
    type EngageStream = ReceiverStream<Result<RunnerMsg, Status>>;
    type StreamLogsStream = ReceiverStream<Result<LogResponseMsg, Status>>;

    async fn engage(
        &self,
        request: tonic::Request<Streaming<ClientMsg>>,
    ) -> Result<tonic::Response<Self::EngageStream>, Status> {
        let (replies, stream) = mpsc::channel(16);
        tokio::spawn((self.0)(request.into_inner(), replies));
        // As in Go, nothing is sent before the first message.
        let mut stream = ReceiverStream::new(stream).peekable();
        std::pin::Pin::new(&mut stream).peek().await;
        let (forward, stream_out) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(message) = stream.next().await {
                if forward.send(message).await.is_err() {
                    return;
                }
            }
        });
        Ok(tonic::Response::new(ReceiverStream::new(stream_out)))
    }
    async fn status(&self, _: tonic::Request<()>) -> Result<tonic::Response<RunnerStatus>, Status> {
        Ok(tonic::Response::new(RunnerStatus::default()))
    }
    async fn status2(&self, _: tonic::Request<Struct>) -> Result<tonic::Response<RunnerStatus>, Status> {
        Ok(tonic::Response::new(RunnerStatus::default()))
    }
    async fn configure_runner(
        &self,
        _: tonic::Request<ConfigMsg>,
    ) -> Result<tonic::Response<ConfigStatus>, Status> {
        Ok(tonic::Response::new(ConfigStatus {}))
    }
    async fn stream_logs(
        &self,
        _: tonic::Request<Streaming<LogRequestMsg>>,
    ) -> Result<tonic::Response<Self::StreamLogsStream>, Status> {
        Err(Status::unknown("runner not configured with logStreamer"))
    }
}

/// A foreign runner whose Engage does what a test says.
async fn foreign<F, R>(behaviour: F) -> SocketAddr
where
    F: Fn(Streaming<ClientMsg>, Replies) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = RunnerProtocolServer::new(Foreign(Arc::new(move |stream, replies| {
        Box::pin(behaviour(stream, replies))
    })));
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

fn start() -> RunnerMsg {
    let meta = Meta::Http(HttpRespMeta { status_code: 200, headers: Vec::new() });
    RunnerMsg { body: Some(runner_msg::Body::ResultStart(CallResultStart { meta: Some(meta) })) }
}

fn data(bytes: impl Into<Bytes>) -> RunnerMsg {
    RunnerMsg { body: Some(runner_msg::Body::Data(DataFrame { data: bytes.into(), eof: false })) }
}

fn finished(finished: CallFinished) -> RunnerMsg {
    RunnerMsg { body: Some(runner_msg::Body::Finished(finished)) }
}

fn good() -> RunnerMsg {
    finished(CallFinished { success: true, ..CallFinished::default() })
}

fn failing(error_code: i32, error_str: &str) -> RunnerMsg {
    finished(CallFinished { error_code, error_str: error_str.into(), ..CallFinished::default() })
}

/// Reads the try and every frame up to eof.
async fn read_all(stream: &mut Streaming<ClientMsg>) -> Vec<DataFrame> {
    let first = stream.message().await.unwrap().unwrap();
    assert!(matches!(first.body, Some(client_msg::Body::Try(_))), "{first:?}");
    let mut frames = Vec::new();
    loop {
        match stream.message().await.unwrap().unwrap().body {
            Some(client_msg::Body::Data(frame)) => frames.push(frame),
            other => panic!("{other:?}"),
        }
        if frames.last().unwrap().eof {
            return frames;
        }
    }
}

#[tokio::test]
async fn a_body_is_sent_in_foreign_frames_and_the_stream_is_left_open() {
    let seen: Arc<Mutex<Vec<DataFrame>>> = Arc::default();
    let note = seen.clone();
    let address = foreign(move |mut stream, replies| {
        let note = note.clone();
        async move {
            *note.lock().unwrap() = read_all(&mut stream).await;
            let more = tokio::time::timeout(Duration::from_millis(50), stream.message()).await;
            assert!(more.is_err(), "half-closed: {more:?}");
            for message in [start(), data("fine"), good()] {
                replies.send(Ok(message)).await.unwrap();
            }
        }
    })
    .await;
    let sent = noise(30_000);
    let answer = answer_of(execute(&client(address), sent.clone()).await);
    assert_eq!(bytes_of(answer.body).await.unwrap(), "fine");
    let frames = seen.lock().unwrap().clone();
    let sizes: Vec<_> = frames.iter().map(|frame| (frame.data.len(), frame.eof)).collect();
    assert_eq!(sizes, [(10_240, false), (10_240, false), (9_520, false), (0, true)]);
    assert!(frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<_>>() == sent);
}

#[tokio::test]
async fn a_foreign_refusal_is_busy() {
    let address = foreign(|mut stream, replies| async move {
        stream.message().await.unwrap().unwrap();
        replies.send(Ok(failing(503, "Timed out - server too busy"))).await.unwrap();
    })
    .await;
    let taken = Taken::new(|| panic!("taken"));
    let offer = Offer { call: Arc::new(call()), body: full("x"), taken };
    assert!(matches!(soon(client(address).execute(offer)).await, Ok(Outcome::Busy)));
}

#[tokio::test]
async fn a_foreign_failure_keeps_its_code_and_its_text() {
    for (sent, kind, text) in [
        (failing(502, "function failed"), Kind::FunctionFailed, "function failed"),
        (failing(429, "Too many requests submitted"), Kind::Foreign(429), "Too many requests submitted"),
        (failing(0, "invalid character"), Kind::Internal, "invalid character"),
        (failing(500, ""), Kind::Internal, "Unknown Error From Pure Runner"),
    ] {
        let address = foreign(move |mut stream, replies| {
            let sent = sent.clone();
            async move {
                stream.message().await.unwrap().unwrap();
                replies.send(Ok(sent)).await.unwrap();
            }
        })
        .await;
        let fault: Fault = execute(&client(address), "x").await.unwrap_err();
        assert_eq!((fault.kind, fault.message.as_ref()), (kind, text));
    }
}

#[tokio::test]
async fn a_status_after_the_try_is_final() {
    for (status, kind) in [
        (Status::unavailable("closing"), Kind::RunnerLost),
        (Status::unknown("Protocol failure"), Kind::Internal),
    ] {
        let address = foreign(move |mut stream, replies| {
            let status = status.clone();
            async move {
                stream.message().await.unwrap().unwrap();
                replies.send(Err(status)).await.unwrap();
            }
        })
        .await;
        let fault = execute(&client(address), "x").await.unwrap_err();
        assert_eq!(fault.kind, kind, "{}", fault.chain());
    }
}

#[tokio::test]
async fn an_answer_without_a_finished_has_broken_off() {
    let address = foreign(|mut stream, replies| async move {
        stream.message().await.unwrap().unwrap();
        for message in [start(), data("half")] {
            replies.send(Ok(message)).await.unwrap();
        }
    })
    .await;
    let answer = answer_of(execute(&client(address), "x").await);
    let fault = bytes_of(answer.body).await.unwrap_err();
    assert_eq!(fault.kind, Kind::RunnerLost, "{}", fault.chain());
}

#[tokio::test]
async fn a_foreign_runner_that_does_not_refuse_is_believed_to_have_taken_the_call() {
    let address = foreign(|mut stream, replies| async move {
        read_all(&mut stream).await;
        for message in [start(), good()] {
            replies.send(Ok(message)).await.unwrap();
        }
    })
    .await;
    let (sender, body) = crate::support::by_hand();
    let taken = Arc::new(Notify::new());
    let told = taken.clone();
    let offer = Offer { call: Arc::new(call()), body, taken: Taken::new(move || told.notify_one()) };
    let waiting = tokio::spawn(async move { client(address).execute(offer).await });
    sender.send(Ok("as much as is kept".into())).await.unwrap();
    soon(taken.notified()).await;
    drop(sender);
    answer_of(soon(waiting).await.unwrap());
}

#[tokio::test]
async fn a_runner_that_finishes_the_call_and_not_its_stream_has_broken_off() {
    let address = foreign(|mut stream, replies| async move {
        stream.message().await.unwrap().unwrap();
        for message in [start(), data("all of it"), good()] {
            replies.send(Ok(message)).await.unwrap();
        }
        replies.closed().await;
    })
    .await;
    let answer = answer_of(execute(&client(address), "x").await);
    let fault = bytes_of(answer.body).await.unwrap_err();
    assert_eq!(fault.kind, Kind::RunnerLost, "{}", fault.chain());
}

/// A peer that answers every request with these headers and nothing else.
async fn answering(headers: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(move |_: Request<Incoming>| async move {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok::<_, Infallible>(response.body(http_body_util::Empty::<Bytes>::new()).unwrap())
    });
    tokio::spawn(remuda_wire::serve_grpc(listener, None, service, Default::default()));
    address
}

#[tokio::test]
async fn a_status_of_the_number_503_is_busy() {
    let address = answering(&[("content-type", "application/grpc"), ("grpc-status", "503")]).await;
    assert!(matches!(execute(&client(address), "x").await, Ok(Outcome::Busy)));
}

#[tokio::test]
async fn a_call_to_a_peer_that_is_no_runner_never_arrived() {
    let address = answering(&[("content-type", "application/grpc"), ("grpc-status", "12")]).await;
    let outcome = execute(&client(address), "x").await;
    assert!(matches!(outcome, Ok(Outcome::NeverArrived(_))), "{outcome:?}");
}
