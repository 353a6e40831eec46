//! Fakes and shorthands.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use remuda_core::port::{Executor, Offer, Outcome, Taken};
use remuda_core::{
    Annotations, Answer, AppId, Body, Call, CallId, Config, Fault, FnId, GroupId, MemoryMb, Mode,
    RunnerAddress, Target, Timestamp,
};
use remuda_wire::{RunnerService, connector, serve_grpc};
use rustls::{ClientConfig, ServerConfig};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for anything that happens at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Fails instead of hanging.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it did not happen in time")
}

type Behaviour = dyn Fn(Offer) -> BoxFuture<'static, Result<Outcome, Fault>> + Send + Sync;

/// An executor that does what a test says.
pub(crate) struct Fake(Box<Behaviour>);

impl Fake {
    pub(crate) fn doing<F, R>(behaviour: F) -> Arc<dyn Executor>
    where
        F: Fn(Offer) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Outcome, Fault>> + Send + 'static,
    {
        Arc::new(Self(Box::new(move |offer| Box::pin(behaviour(offer)))))
    }
}

#[async_trait]
impl Executor for Fake {
    async fn execute(&self, offer: Offer) -> Result<Outcome, Fault> {
        (self.0)(offer).await
    }
}

/// Answers with the caller's bytes as they come.
pub(crate) fn echo() -> Arc<dyn Executor> {
    Fake::doing(|offer| async move {
        offer.taken.signal();
        Ok(answered(offer.body))
    })
}

pub(crate) fn answered(body: Body) -> Outcome {
    Outcome::Answered(Answer { status: StatusCode::OK, headers: HeaderMap::new(), body })
}

/// A served runner.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) service: RunnerService,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn serve(executor: Arc<dyn Executor>, tls: Option<Arc<ServerConfig>>) -> Served {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let mut address = listener.local_addr().unwrap();
    address.set_ip([127, 0, 0, 1].into());
    let service = RunnerService::new(executor);
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve_grpc(listener, tls, service.clone(), shutdown.clone()));
    Served { address, service, shutdown, task }
}

pub(crate) fn client(address: SocketAddr) -> Arc<dyn Executor> {
    client_of(&address.to_string(), None)
}

pub(crate) fn client_of(address: &str, tls: Option<Arc<ClientConfig>>) -> Arc<dyn Executor> {
    connector(tls).connect(&RunnerAddress::parse(address).unwrap())
}

pub(crate) fn call() -> Call {
    let config = Config::from([("FN_LB_GROUP_ID".to_owned(), "blue".to_owned())]);
    let mut headers = HeaderMap::new();
    headers.append("content-type", HeaderValue::from_static("text/plain"));
    headers.append("x-many", HeaderValue::from_static("1"));
    headers.append("x-many", HeaderValue::from_static("2"));
    Call {
        id: CallId::new("01M7WJPG9VR00040KDP400000D"),
        target: Arc::new(Target {
            app_id: AppId::new("an-app"),
            app_name: "myapp".into(),
            fn_id: FnId::new("a-fn"),
            image: "x/y:1".into(),
            memory: MemoryMb(128),
            tmpfs_mb: 0,
            milli_cpus: 0,
            timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            group: GroupId::of(&Default::default(), &config),
            config,
            annotations: Annotations::new(),
            syslog_url: String::new(),
        }),
        trigger_id: None,
        mode: Mode::Sync,
        method: Method::POST,
        url: "http://h/invoke/a-fn".into(),
        headers,
        created_at: Timestamp::from_unix_ms(1_800_000_000_000),
    }
}

pub(crate) fn offer(body: Body) -> Offer {
    Offer { call: Arc::new(call()), body, taken: Taken::ignored() }
}

pub(crate) async fn execute(executor: &Arc<dyn Executor>, body: impl Into<Bytes>) -> Result<Outcome, Fault> {
    soon(executor.execute(offer(remuda_core::call::full(body)))).await
}

#[track_caller]
pub(crate) fn answer_of(outcome: Result<Outcome, Fault>) -> Answer {
    match outcome {
        Ok(Outcome::Answered(answer)) => answer,
        Ok(other) => panic!("not answered: {other:?}"),
        Err(fault) => panic!("not answered: {:?} {}", fault.kind, fault.chain()),
    }
}

pub(crate) async fn bytes_of(body: Body) -> Result<Bytes, Fault> {
    soon(body.collect()).await.map(|collected| collected.to_bytes())
}

/// A body whose pieces are sent by hand; closing the sender ends it.
pub(crate) fn by_hand() -> (mpsc::Sender<Result<Bytes, Fault>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece: Result<Bytes, Fault> = receiver.recv().await?;
        Some((piece.map(Frame::data), receiver))
    });
    (sender, StreamBody::new(pieces).boxed_unsync())
}

/// Bytes without a pattern that frames could hide.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect::<Vec<u8>>().into()
}

/// Told when whatever holds it is dropped.
pub(crate) struct Dropped(Option<tokio::sync::oneshot::Sender<()>>);

pub(crate) fn dropped() -> (Dropped, tokio::sync::oneshot::Receiver<()>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    (Dropped(Some(sender)), receiver)
}

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(());
        }
    }
}

/// What this thread logs from here on, as long as the guard lives.
pub(crate) fn logs() -> (Logs, tracing::subscriber::DefaultGuard) {
    let logs = Logs::default();
    let writer = logs.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    (logs, tracing::subscriber::set_default(subscriber))
}

#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
    /// The lines that contain `what`, once there are any.
    pub(crate) async fn lines_with(&self, what: &str) -> String {
        soon(async {
            loop {
                let text = self.text();
                let lines: Vec<_> = text.lines().filter(|line| line.contains(what)).collect();
                if !lines.is_empty() {
                    return lines.join("\n");
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

impl std::io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
