//! Listening over TLS.

use crate::node::{LIMIT, Node, Setup, answer, echo, streamed};
use async_trait::async_trait;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use remuda_core::port::Catalog;
use remuda_core::testing::FakeInvoker;
use remuda_core::testing::catalog_cases::{a_function, an_app};
use remuda_front::{Extensions, Middleware, Next, Peer, ServeOptions};
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Pair {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }
    fn sign(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Pair { certificate: certificate.der().clone(), key }
    }
    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
    /// How a listener is served whose certificate and whose nodes are this authority's.
    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let nodes = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider.clone());
        let Pair { certificate, key } = self.sign();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(nodes.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
    /// A client that believes this authority's servers.
    fn client(&self, own: Option<Pair>, alpn: &str) -> TlsConnector {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = match own {
            Some(Pair { certificate, key }) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// Tells clients what is known of them.
struct Mirror;

#[async_trait]
impl Middleware for Mirror {
    async fn handle(&self, request: Request, next: Next) -> Response {
        let peer = format!("{:?}", request.extensions().get::<Peer>());
        let mut response = next.run(request).await;
        response.headers_mut().insert("x-peer", peer.parse().unwrap());
        response
    }
}

async fn start(authority: &Authority, listening: ServeOptions) -> (Node, watch::Sender<Arc<ServerConfig>>) {
    let (configs, tls) = watch::channel(authority.server());
    let extensions = Extensions { middleware: vec![Arc::new(Mirror)], ..Extensions::default() };
    let setup = Setup { tls: Some(tls), listening, extensions, ..Setup::of(echo()) };
    (setup.start().await, configs)
}

async fn dial(node: &Node, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(node.address).await?;
    client.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Asks over HTTP/1.1 and keeps the connection.
async fn ask(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut text = Vec::new();
    while !text.ends_with(b"}") {
        text.push(tokio::time::timeout(LIMIT, stream.read_u8()).await.unwrap()?);
    }
    Ok(String::from_utf8(text).unwrap())
}

/// A function, put into the catalogue behind the node's back; its path to be invoked.
async fn with_fn(node: &Node) -> String {
    let app = node.catalog.create_app(an_app("A", "app")).await.unwrap();
    node.catalog.create_function(a_function("F", "f", &app)).await.unwrap();
    "/invoke/F".to_owned()
}

async fn stop(node: Node) {
    node.shutdown.cancel();
    tokio::time::timeout(LIMIT, node.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn http_1_is_spoken_over_tls_and_nodes_are_told_from_strangers() {
    let authority = Authority::new();
    let (node, _configs) = start(&authority, ServeOptions::default()).await;
    for (own, peer) in [(None, "Anonymous"), (Some(authority.sign()), "Node")] {
        let mut stream = dial(&node, &authority.client(own, "http/1.1")).await.unwrap();
        let answered = ask(&mut stream).await.unwrap();
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
        assert!(answered.contains(&format!("X-Peer: Some({peer})\r\n")), "{answered}");
    }
    stop(node).await;
}

#[tokio::test]
async fn http_2_is_spoken_over_tls() {
    let authority = Authority::new();
    let (node, _configs) = start(&authority, ServeOptions::default()).await;
    let path = with_fn(&node).await;
    let stream = dial(&node, &authority.client(Some(authority.sign()), "h2")).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let body = Bytes::from(vec![7; 1 << 20]);
    let request =
        http::Request::post(format!("https://localhost{path}")).body(Full::new(body.clone())).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-peer"]),
        (200, &"Some(Node)".parse().unwrap())
    );
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
    assert!(node.invoker.calls()[0].url.starts_with("https://localhost/"), "{}", node.invoker.calls()[0].url);
    stop(node).await;
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_foreign_certificate_is_refused() {
    let authority = Authority::new();
    let (node, _configs) = start(&authority, ServeOptions::default()).await;
    let foreign = Authority::new().sign();
    // With TLS 1.3 a client learns of it when it first reads.
    let asked = match dial(&node, &authority.client(Some(foreign), "http/1.1")).await {
        Ok(mut stream) => ask(&mut stream).await,
        Err(error) => Err(error),
    };
    let refused = asked.unwrap_err().to_string();
    assert!(refused.contains("alert"), "{refused}");
    stop(node).await;
}

#[tokio::test]
async fn in_clear_text_nothing_is_said_of_the_client() {
    let extensions = Extensions { middleware: vec![Arc::new(Mirror)], ..Extensions::default() };
    let node = Setup { extensions, ..Setup::of(echo()) }.start().await;
    assert_eq!(node.get("/version").await.headers()["x-peer"], "None");
}

#[tokio::test]
async fn new_certificates_are_for_new_connections_and_open_ones_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let (node, configs) = start(&old, ServeOptions::default()).await;
    let mut open = dial(&node, &old.client(None, "http/1.1")).await.unwrap();
    ask(&mut open).await.unwrap();
    configs.send_replace(new.server());
    assert!(dial(&node, &old.client(None, "http/1.1")).await.is_err());
    let mut fresh = dial(&node, &new.client(None, "http/1.1")).await.unwrap();
    ask(&mut fresh).await.unwrap();
    ask(&mut open).await.unwrap();
    drop(configs);
    ask(&mut dial(&node, &new.client(None, "http/1.1")).await.unwrap()).await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_hung_up_on_and_holds_nobody_up() {
    let authority = Authority::new();
    // Long enough for those who do, on a machine with other things to do.
    let listening = ServeOptions { handshake_timeout: Duration::from_secs(1), ..ServeOptions::default() };
    let (node, _configs) = start(&authority, listening).await;
    let mut all_slow = Vec::new();
    for start in [&b""[..], &[0x16], &[0x16, 3, 1, 0, 200, 1]] {
        let mut slow = TcpStream::connect(node.address).await.unwrap();
        slow.write_all(start).await.unwrap();
        all_slow.push(slow);
    }
    ask(&mut dial(&node, &authority.client(None, "http/1.1")).await.unwrap()).await.unwrap();
    for mut slow in all_slow {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(LIMIT, slow.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
    }
    stop(node).await;
}

#[tokio::test]
async fn a_client_that_agrees_on_tls_and_asks_nothing_is_hung_up_on() {
    let authority = Authority::new();
    let listening = ServeOptions { header_read_timeout: Duration::from_secs(1), ..ServeOptions::default() };
    let (node, _configs) = start(&authority, listening).await;
    for start in ["", "GET /version HTTP/1.1\r\nx-"] {
        let mut silent = dial(&node, &authority.client(None, "http/1.1")).await.unwrap();
        silent.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(LIMIT, silent.read_to_end(&mut rest)).await.unwrap();
    }
    stop(node).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_hung_up_on() {
    let (sender, body) = streamed();
    let body = std::sync::Mutex::new(Some(body));
    let invoker = FakeInvoker::new(move |_, _| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok(answer(&[], body)) }
    });
    let authority = Authority::new();
    let (_configs, tls) = watch::channel(authority.server());
    let listening = ServeOptions { write_timeout: Duration::from_millis(200), ..ServeOptions::default() };
    let node = Setup { tls: Some(tls), listening, ..Setup::of(invoker) }.start().await;
    let path = with_fn(&node).await;
    let mut deaf = dial(&node, &authority.client(None, "http/1.1")).await.unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
    deaf.write_all(request.as_bytes()).await.unwrap();
    let endless = async { while sender.send(Ok(Bytes::from(vec![7; 1 << 16]))).await.is_ok() {} };
    tokio::time::timeout(LIMIT, endless).await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let authority = Authority::new();
    let listening = ServeOptions { max_connections: 1, ..ServeOptions::default() };
    let (node, _configs) = start(&authority, listening).await;
    let client = authority.client(None, "http/1.1");
    let slow = TcpStream::connect(node.address).await.unwrap();
    let mut second = Box::pin(dial(&node, &client));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut second).await.is_err(),
        "it has no place yet"
    );
    drop(slow);
    ask(&mut tokio::time::timeout(LIMIT, second).await.unwrap().unwrap()).await.unwrap();
    stop(node).await;
}

#[tokio::test]
async fn clear_text_on_a_tls_port_is_told_so() {
    let authority = Authority::new();
    let (node, _configs) = start(&authority, ServeOptions::default()).await;
    let mut raw = node.connect().await;
    raw.write("POST /invoke/x HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc").await;
    let answered = raw.read_to_close().await;
    assert!(answered.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answered}");
    assert!(
        answered.ends_with("{\"message\":\"this port speaks https: write https:// in the URL\"}\n"),
        "{answered}"
    );
    stop(node).await;
}

#[tokio::test]
async fn a_node_stops_while_clients_shake_hands_or_sit_idle() {
    let authority = Authority::new();
    let (node, _configs) = start(&authority, ServeOptions::default()).await;
    let mut idle = dial(&node, &authority.client(None, "http/1.1")).await.unwrap();
    ask(&mut idle).await.unwrap();
    let silent = TcpStream::connect(node.address).await.unwrap();
    stop(node).await;
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0, "it is told goodbye, and not cut off");
    drop(silent);
}
