//! Accepts connections and serves gRPC on them.

mod refusals;

use crate::connection::{Notes, Observed, Tracked};
use crate::http2;
use crate::tls::refusal;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use refusals::Refusals;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a peer has to finish its handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What a peer has to send its first bytes after that, and its first request. Every balancer of ours asks at once.
const FIRST_BYTES: Duration = Duration::from_secs(5);
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// What a peer that has asked nothing has to take note that its connection closes.
const GOODBYE: Duration = Duration::from_secs(1);
/// Handshakes at a time; past it, peers wait in the kernel's queue.
const HANDSHAKES: usize = 512;
/// Connections at a time.
const CONNECTIONS: usize = 4096;
/// After accepting failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Why a node that serves in clear refuses a peer that greets with TLS.
const SPEAKS_TLS: &str =
    "peer speaks TLS, this node has no certificates (set the three FN_NODE_CERT variables)";
/// How long a refused peer is given to read why.
const LINGER: Duration = Duration::from_secs(1);

/// Serves `service` on every connection until `shutdown`, then lets the streams in flight finish; returns when the
/// last has. Dropping the future ends all of it at once. With `tls`, peers prove who they are, and one that cannot is
/// refused with a warning that names it and says why (one per host and reason every ten seconds); without, everyone is served in clear.
pub async fn serve_grpc<S, B>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let door = Door {
        tls: tls.map(TlsAcceptor::from),
        service,
        shutdown: shutdown.clone(),
        refusals: Arc::default(),
        streams: TaskTracker::new(),
    };
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            arrived = accept(&listener, &places, &handshakes) => {
                if let Some((socket, peer, place, handshake)) = arrived {
                    let door = door.clone();
                    connections.spawn(async move {
                        door.serve(socket, peer, handshake).await;
                        drop(place);
                    });
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    door.streams.close();
    door.streams.wait().await;
}

type Arrived = (TcpStream, SocketAddr, OwnedSemaphorePermit, OwnedSemaphorePermit);

/// Accepts when there is room for one more connection and one more handshake. `None` when that failed.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    handshakes: &Arc<Semaphore>,
) -> Option<Arrived> {
    // The semaphores are never closed.
    let place = places.clone().acquire_owned().await.ok()?;
    let handshake = handshakes.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, peer)) => Some((socket, peer, place, handshake)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

#[derive(Clone)]
struct Door<S> {
    tls: Option<TlsAcceptor>,
    service: S,
    shutdown: CancellationToken,
    refusals: Arc<Refusals>,
    streams: TaskTracker,
}

impl<S, B> Door<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn serve(self, socket: TcpStream, peer: SocketAddr, handshake: OwnedSemaphorePermit) {
        if let Err(error) = http2::prepare_socket(&socket) {
            tracing::debug!(%peer, %error, "a connection was lost at once");
            return;
        }
        let Some(tls) = self.tls.clone() else {
            drop(handshake);
            return self.speak(socket, peer).await;
        };
        let shake = timeout(HANDSHAKE, tls.accept(socket).into_fallible());
        let outcome = tokio::select! {
            outcome = shake => outcome,
            () = self.shutdown.cancelled() => return,
        };
        match outcome {
            Ok(Ok(secured)) => {
                drop(handshake);
                self.speak(secured, peer).await;
            }
            Ok(Err((error, socket))) => {
                self.refusals.report(peer, &refusal(&error));
                linger(socket).await;
            }
            Err(_) => self.refusals.report(peer, "no TLS handshake within 5 s"),
        }
    }

    async fn speak<I>(self, socket: I, peer: SocketAddr)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let notes = Arc::new(Notes::default());
        let socket = TokioIo::new(Observed::new(socket, notes.clone()));
        let asked = Arc::new(AtomicBool::new(false));
        let service = Asked { service: self.service, asked: asked.clone() };
        let mut builder = Builder::new(Tracked(self.streams.clone()));
        http2::server(&mut builder);
        let mut connection = std::pin::pin!(builder.serve_connection(socket, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = silence(&notes, &asked) => {
                tracing::debug!(%peer, "a connection on which nothing was asked is closed");
                close(connection.as_mut(), &asked).await
            }
            () = self.shutdown.cancelled() => close(connection.as_mut(), &asked).await,
        };
        if self.tls.is_none() && notes.is_tls() {
            self.refusals.report(peer, SPEAKS_TLS);
            return;
        }
        // Peers come and go; what it meant for a call is said where the call is.
        if let Err(error) = ended {
            tracing::debug!(%peer, error = %crate::connection::chain(&error), "a connection was lost");
        }
    }
}

/// Notes that a connection is used.
struct Asked<S> {
    service: S,
    asked: Arc<AtomicBool>,
}

impl<R, S: Service<R>> Service<R> for Asked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: R) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        self.service.call(request)
    }
}

/// Resolves when a peer holds a connection and does nothing with it; never once it has asked something.
async fn silence(notes: &Notes, asked: &AtomicBool) {
    sleep(FIRST_BYTES).await;
    if notes.heard() == 0 {
        return;
    }
    sleep(FIRST_REQUEST - FIRST_BYTES).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

/// Lets the streams in flight finish. A peer that has none, and does not even say that it knows, is not waited for.
async fn close<C>(mut connection: Pin<&mut C>, asked: &AtomicBool) -> hyper::Result<()>
where
    C: GracefulConnection<Error = hyper::Error>,
{
    connection.as_mut().graceful_shutdown();
    match timeout(GOODBYE, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) if asked.load(Ordering::Relaxed) => connection.await,
        Err(_) => Ok(()),
    }
}

/// Lets a refused peer read the alert: closing a socket with unread bytes in it would reset the connection under
/// the alert.
async fn linger(mut socket: TcpStream) {
    let drain = async {
        socket.shutdown().await?;
        let mut ignored = [0; 4096];
        while socket.read(&mut ignored).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(LINGER, drain).await;
}
