//! API nodes that do what a test says.

use crate::support::by_hand;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remuda_core::{Body, Fault, call};
use remuda_wire::{ApiClient, ApiUrl, tls};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) const APP: &str = r#"{"id":"a1","name":"myapp"}"#;

/// The paths of questions, with what their header for authentication said.
type Questions = Arc<Mutex<Vec<(String, Option<String>)>>>;
type Handler = dyn Fn(&Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync;

/// A served API node; it and its connections end with it.
pub(crate) struct ApiNode {
    pub(crate) address: SocketAddr,
    asked: Questions,
    task: JoinHandle<()>,
}

impl Drop for ApiNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ApiNode {
    pub(crate) async fn serving<F>(tls: Option<Arc<ServerConfig>>, handler: F) -> Self
    where
        F: Fn(&Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Questions::default();
        let (handler, note): (Arc<Handler>, _) = (Arc::new(handler), asked.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, handler, note) = (tls.clone(), handler.clone(), note.clone());
                connections.spawn(async move {
                    let Some(tls) = tls else { return serve(socket, handler, note).await };
                    if let Ok(secured) = tokio_rustls::TlsAcceptor::from(tls).accept(socket).await {
                        serve(secured, handler, note).await;
                    }
                });
            }
        });
        Self { address, asked, task }
    }

    /// One that answers every question with this.
    pub(crate) async fn answering(status: u16, body: &'static str) -> Self {
        Self::serving(None, move |_| Box::pin(std::future::ready(answer(status, body)))).await
    }
    /// One that takes questions and never answers.
    pub(crate) async fn hanging() -> Self {
        Self::serving(None, |_| Box::pin(std::future::pending())).await
    }
    /// One that opens streams of changes, which the test writes.
    pub(crate) async fn telling() -> (Self, mpsc::Receiver<Stream>) {
        let (opened, streams) = mpsc::channel(16);
        let node = Self::serving(None, move |_| {
            let (stream, body) = by_hand();
            let opened = opened.clone();
            Box::pin(async move {
                opened.send(Stream(stream)).await.unwrap();
                Response::builder().header("content-type", "application/x-ndjson").body(body).unwrap()
            })
        });
        (node.await, streams)
    }

    /// How many questions it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
    /// The paths it was asked for, with what the header for authentication said.
    pub(crate) fn questions(&self) -> Vec<(String, Option<String>)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve<S>(socket: S, handler: Arc<Handler>, note: Questions)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let auth = request.headers().get("remuda-auth").map(|auth| auth.to_str().unwrap().to_owned());
        note.lock().unwrap().push((request.uri().path_and_query().unwrap().to_string(), auth));
        let answer = handler(&request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

pub(crate) fn answer(status: u16, body: &'static str) -> Response<Body> {
    Response::builder().status(status).body(call::full(body)).unwrap()
}

/// The writing end of a stream of changes. It ends when dropped.
pub(crate) struct Stream(mpsc::Sender<Result<Bytes, Fault>>);

impl Stream {
    pub(crate) async fn write(&self, bytes: impl Into<Bytes>) {
        self.0.send(Ok(bytes.into())).await.unwrap();
    }
    /// Returns once nobody reads it any more.
    pub(crate) async fn left(&self) {
        self.0.closed().await;
    }
}

/// A client of these nodes, in this order.
pub(crate) fn client(nodes: &[&ApiNode]) -> ApiClient {
    let urls: Vec<_> = nodes.iter().map(|node| format!("http://{}", node.address)).collect();
    ApiClient::in_order(ApiUrl::parse_list(&urls.join(",")).unwrap(), None, false).unwrap()
}

/// The address of a node that is not there.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// An identity for `localhost`, and how it is served over HTTP/1.1 to other nodes alone.
pub(crate) fn identity() -> (tls::Identity, Arc<ServerConfig>) {
    let pair = remuda_wire::certs::self_signed(&["localhost".into()], false).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    pair.write(&certificate, &key).unwrap();
    let paths = tls::Paths { authority: certificate.clone(), certificate, key };
    let identity = tls::Identity::load(&paths).unwrap();
    let mut config = (*identity.server_config()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (identity, Arc::new(config))
}
