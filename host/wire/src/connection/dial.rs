//! Opens a connection: TCP, TLS, HTTP/2, and a greeting.

use super::Greeting;
use super::observed::{Notes, Observed};
use super::stream::{self, Refused};
use crate::announce::{announce, announced};
use crate::http2;
use crate::tls::refusal;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use http::Request;
use remuda_core::{Fault, Kind};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

const CONNECT: Duration = Duration::from_secs(1);
const HANDSHAKE: Duration = Duration::from_secs(2);
const GREETING: Duration = Duration::from_secs(1);
/// No attempt takes longer: it may dial twice (see [`Dial::run`]).
pub(super) const DEADLINE: Duration = Duration::from_secs(8);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("connect")]
    Connect(#[source] std::io::Error),
    #[error("connect: no answer within {} s", CONNECT.as_secs())]
    ConnectTimeout,
    #[error("'{0}' is neither a DNS name nor an IP address that a certificate could carry")]
    Name(String),
    #[error("TLS handshake: {0}")]
    Tls(String),
    #[error("TLS handshake: no answer within {} s", HANDSHAKE.as_secs())]
    TlsTimeout,
    #[error("HTTP/2 handshake: {0}")]
    Http2(String),
    #[error("no answer within {} s", GREETING.as_secs())]
    Silent,
}

/// What a fresh connection is.
pub(super) struct Dialled {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) notes: Arc<Notes>,
    pub(super) announced: bool,
}

/// Whom to dial, and as whom.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) address: String,
    pub(super) host: String,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) tasks: TaskTracker,
}

impl Dial {
    /// Opens a connection; `announced` is what the peer was when last seen. Only peers of ours are sent pings, and
    /// that is settled when a connection opens: when the peer turns out to be the other sort, it is dialled once more.
    pub(super) async fn run(&self, greeting: Greeting, announced: bool) -> Result<Dialled, Fault> {
        let first = self.once(greeting, announced).await.map_err(|error| self.fault(error))?;
        if first.announced == announced {
            return Ok(first);
        }
        self.once(greeting, first.announced).await.map_err(|error| self.fault(error))
    }

    fn fault(&self, error: Error) -> Fault {
        Fault::service(Kind::Unavailable, format!("{} cannot be reached", self.address)).caused_by(error)
    }

    async fn once(&self, greeting: Greeting, pings: bool) -> Result<Dialled, Error> {
        let socket = timeout(CONNECT, TcpStream::connect(&self.address))
            .await
            .map_err(|_| Error::ConnectTimeout)?
            .map_err(Error::Connect)?;
        http2::prepare_socket(&socket).map_err(Error::Connect)?;
        let notes = Arc::new(Notes::of(&socket));
        let sender = match &self.tls {
            None => self.http2(socket, &notes, pings).await?,
            Some(tls) => {
                let name =
                    ServerName::try_from(self.host.clone()).map_err(|_| Error::Name(self.host.clone()))?;
                let secured = timeout(HANDSHAKE, TlsConnector::from(tls.clone()).connect(name, socket))
                    .await
                    .map_err(|_| Error::TlsTimeout)?
                    .map_err(|error| Error::Tls(refusal(&error)))?;
                self.http2(secured, &notes, pings).await?
            }
        };
        let mut fresh = Dialled { sender, notes, announced: false };
        if greeting == Greeting::RunnerStatus {
            fresh.announced = self.greet(&mut fresh).await?;
        }
        Ok(fresh)
    }

    /// `pings` only towards a peer that is known to allow them: gRPC for Go takes frequent pings for an attack and
    /// closes the connection under its calls.
    async fn http2<S>(&self, socket: S, notes: &Arc<Notes>, pings: bool) -> Result<SendRequest<Bytes>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let socket = Observed::new(socket, notes.clone());
        let (sender, mut connection) = timeout(HANDSHAKE, http2::client().handshake(socket))
            .await
            .map_err(|_| Error::TlsTimeout)?
            .map_err(|error| Error::Http2(notes.error().unwrap_or_else(|| refusal(&error))))?;
        let ping_pong = connection.ping_pong().filter(|_| pings);
        let notes = notes.clone();
        // It ends when the last sender is dropped and the last stream has ended, or when the peer is lost, which
        // every stream of it is told: nothing is left to report here.
        self.tasks.spawn(async move {
            tokio::select! {
                _ = connection => {}
                () = unanswered(ping_pong, &notes) => {}
            }
            notes.ended();
        });
        Ok(sender)
    }

    /// Asks a runner for its status; whether it is one of ours. What else it answers does not matter, and a foreign
    /// runner may take its time, but a peer that refuses us, or says nothing at all, is found out here, before a call
    /// is trusted to it.
    async fn greet(&self, fresh: &mut Dialled) -> Result<bool, Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut request = Request::post(format!("{scheme}://{}/RunnerProtocol/Status", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            // An empty message.
            .body(http_body_util::Full::from(&[0u8; 5][..]))
            .map_err(|error| Error::Http2(error.to_string()))?;
        announce(request.headers_mut());
        match timeout(GREETING, stream::send(&mut fresh.sender, request, &self.tasks)).await {
            Ok(Ok(answer)) => Ok(announced(answer.headers())),
            Ok(Err(Refused::Unsent(_, error) | Refused::Lost(error))) => {
                Err(Error::Http2(fresh.notes.error().unwrap_or_else(|| super::chain(&error))))
            }
            Err(_) if fresh.notes.heard() > 0 => Ok(false),
            Err(_) => Err(Error::Silent),
        }
    }
}

/// Pings the peer; resolves when it has not answered, nor sent anything else. Never without a way to ping.
async fn unanswered(ping_pong: Option<PingPong>, notes: &Notes) {
    let Some(mut ping_pong) = ping_pong else { return std::future::pending().await };
    loop {
        sleep(http2::PING_EVERY).await;
        let heard = notes.heard();
        let lost = match timeout(http2::PING_TIMEOUT, ping_pong.ping(Ping::opaque())).await {
            Ok(answered) => answered.is_err(),
            // The answer may wait behind a lot of data.
            Err(_) => notes.heard() == heard,
        };
        if lost {
            return notes.silent("it does not answer pings");
        }
    }
}

/// Runs hyper's tasks where they are counted.
#[derive(Clone)]
pub(crate) struct Tracked(pub(crate) TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
