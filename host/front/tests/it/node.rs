//! A node on port 0 with a catalogue in memory.

use bytes::Bytes;
use remuda_core::call::full;
use remuda_core::testing::{FakeCatalog, FakeInvoker};
use remuda_core::{Answer, Body, Fault, IdSource};
use remuda_front::{
    Access, Extensions, Invoking, Management, Options, Ports, Readiness, ServeOptions, router, serve,
};
use reqwest::{Method, Response, header::HeaderMap};
use rustls::ServerConfig;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far more than any step takes; only a hang runs into it.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) catalog: Arc<FakeCatalog>,
    pub(crate) invoker: Arc<FakeInvoker>,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    pub(crate) client: reqwest::Client,
}

/// Answers every call with its request's body.
pub(crate) fn echo() -> FakeInvoker {
    FakeInvoker::new(|_, body: Body| async move { Ok(answer(&[], body)) })
}

/// Answers every call with these headers and this text.
pub(crate) fn saying(headers: &'static [(&'static str, &'static str)], text: &'static str) -> FakeInvoker {
    FakeInvoker::new(move |_, _| async move { Ok(answer(headers, full(text))) })
}

pub(crate) fn failing(fault: Fault) -> FakeInvoker {
    FakeInvoker::new(move |_, _| std::future::ready(Err(fault.clone())))
}

pub(crate) fn answer(headers: &[(&'static str, &'static str)], body: Body) -> Answer {
    let headers =
        headers.iter().map(|(n, v)| (http::HeaderName::from_static(n), http::HeaderValue::from_static(v)));
    Answer { status: http::StatusCode::OK, headers: headers.collect(), body }
}

/// A body that sends what it is told, with no length known before.
pub(crate) fn streamed() -> (tokio::sync::mpsc::Sender<Result<Bytes, Fault>>, Body) {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let next: Result<Bytes, Fault> = receiver.recv().await?;
        Some((next.map(http_body::Frame::data), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// A streamed body of these pieces.
pub(crate) fn pieces(pieces: Vec<Result<&'static str, Fault>>) -> Body {
    let (sender, body) = streamed();
    for piece in pieces {
        sender.try_send(piece.map(Bytes::from)).unwrap();
    }
    body
}

/// What a node is made of, where a test does not want the usual.
pub(crate) struct Setup {
    pub(crate) invoker: FakeInvoker,
    pub(crate) options: Options,
    pub(crate) listening: ServeOptions,
    pub(crate) access: Access,
    pub(crate) extensions: Extensions,
    pub(crate) tls: Option<watch::Receiver<Arc<ServerConfig>>>,
}

impl Setup {
    pub(crate) fn of(invoker: FakeInvoker) -> Self {
        Self {
            invoker,
            options: Options::default(),
            listening: ServeOptions::default(),
            access: Access::Open,
            extensions: Extensions::default(),
            tls: None,
        }
    }

    pub(crate) async fn start(self) -> Node {
        let (catalog, invoker) = (Arc::new(FakeCatalog::new()), Arc::new(self.invoker));
        let readiness = Readiness::new();
        let ports = Ports {
            management: Some(Management {
                catalog: Arc::clone(&catalog) as _,
                groups: Arc::clone(&catalog) as _,
                tokens: Arc::clone(&catalog) as _,
                changes: Arc::clone(&catalog) as _,
            }),
            invoking: Some(Invoking {
                definitions: Arc::clone(&catalog) as _,
                invoker: Arc::clone(&invoker) as _,
            }),
            access: self.access,
            ids: Arc::new(IdSource::new(7)),
            readiness: readiness.clone(),
            extensions: self.extensions,
        };
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(self.options, ports).unwrap();
        let served = tokio::spawn(serve(listener, app, self.listening, self.tls, shutdown.clone()));
        Node { address, catalog, invoker, readiness, shutdown, served, client: client() }
    }
}

impl Node {
    pub(crate) async fn start(invoker: FakeInvoker) -> Self {
        Self::start_with(invoker, Options::default(), ServeOptions::default()).await
    }

    pub(crate) async fn start_with(invoker: FakeInvoker, options: Options, listening: ServeOptions) -> Self {
        Setup { options, listening, ..Setup::of(invoker) }.start().await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.client.request(method, self.url(path)).body(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, "").await
    }

    /// Sends JSON and expects it to be taken.
    pub(crate) async fn put(&self, method: Method, path: &str, body: Value) -> Value {
        let response = self.send(method, path, body.to_string()).await;
        assert_eq!(response.status(), 200, "{path} {body}");
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// The status and the message of a request that fails.
    pub(crate) async fn refused(&self, method: Method, path: &str, body: impl ToString) -> (u16, String) {
        told(self.send(method, path, body.to_string()).await).await
    }

    pub(crate) async fn create_app(&self, name: &str) -> String {
        id(&self.put(Method::POST, "/v2/apps", json!({ "name": name })).await)
    }

    pub(crate) async fn create_fn(&self, app: &str, name: &str) -> String {
        let body = json!({ "name": name, "app_id": app, "image": "x/y:1" });
        id(&self.put(Method::POST, "/v2/fns", body).await)
    }

    pub(crate) async fn create_trigger(&self, app: &str, function: &str, name: &str, source: &str) -> Value {
        let body =
            json!({ "name": name, "app_id": app, "fn_id": function, "type": "http", "source": source });
        self.put(Method::POST, "/v2/triggers", body).await
    }

    /// An app with a function; its path to be invoked.
    pub(crate) async fn with_fn(&self) -> String {
        let app = self.create_app("app").await;
        format!("/invoke/{}", self.create_fn(&app, "f").await)
    }

    /// An app with a function that `/t/app/x` triggers.
    pub(crate) async fn with_trigger(&self) -> String {
        let app = self.create_app("app").await;
        let function = self.create_fn(&app, "f").await;
        self.create_trigger(&app, &function, "t", "/x").await;
        "/t/app/x".to_owned()
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }
}

/// A client that follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    // Whoever installs it first has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.timeout(LIMIT).no_proxy().build().unwrap()
}

pub(crate) fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The status and message of an error, whose form is checked on the way.
pub(crate) async fn told(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(header(response.headers(), "content-type"), "application/json; charset=utf-8");
    let text = response.text().await.unwrap();
    assert!(text.ends_with("}\n"), "{text}");
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object.as_object().unwrap().len(), 1, "{text}");
    (status, object["message"].as_str().unwrap().to_owned())
}

/// The one header of this name.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    assert_eq!(values.len(), 1, "{name} in {headers:?}");
    values[0].to_str().unwrap().to_owned()
}

/// A connection on which a test decides about every byte.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to and including `end`.
    pub(crate) async fn read_to(&mut self, end: &str) -> String {
        let read = async {
            let mut text = String::new();
            while !text.ends_with(end) {
                text.push(char::from(
                    self.0.read_u8().await.unwrap_or_else(|_| panic!("ended after {text}")),
                ));
            }
            text
        };
        tokio::time::timeout(LIMIT, read).await.unwrap()
    }

    /// Reads until the connection ends, however it does.
    pub(crate) async fn read_to_close(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(LIMIT, self.0.read_to_end(&mut bytes)).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
