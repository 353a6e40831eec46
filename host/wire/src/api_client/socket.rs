//! Sockets to an API node, in clear or over TLS, for hyper's connection pool.

use crate::http2::prepare_socket;
use crate::tls::refusal;
use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// To connect, the handshake included.
const CONNECT: Duration = Duration::from_secs(1);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connected socket.
pub(super) struct Socket(TokioIo<Box<dyn Stream>>);

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Opens sockets.
#[derive(Clone)]
pub(super) struct Dial {
    tls: Option<Arc<ClientConfig>>,
}

impl Dial {
    pub(super) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls }
    }

    async fn open(self, uri: Uri) -> io::Result<Socket> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} in {uri}"));
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().ok_or_else(|| wrong("no host"))?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let socket = TcpStream::connect((host.as_str(), port)).await?;
        prepare_socket(&socket)?;
        if !secure {
            return Ok(Socket(TokioIo::new(Box::new(socket))));
        }
        let tls = self.tls.ok_or_else(|| wrong("no identity for https"))?;
        let name = ServerName::try_from(host).map_err(|_| wrong("the host is no name for a certificate"))?;
        let secured = TlsConnector::from(tls)
            .connect(name, socket)
            .await
            .map_err(|error| io::Error::new(error.kind(), refusal(&error)))?;
        Ok(Socket(TokioIo::new(Box::new(secured))))
    }
}

impl Service<Uri> for Dial {
    type Response = Socket;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Socket>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let open = self.clone().open(uri);
        Box::pin(async move {
            timeout(CONNECT, open).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        })
    }
}
