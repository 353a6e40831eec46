//! Listening: HTTP/1.1 and HTTP/2, in clear text or over TLS, bounded in every way a client could abuse, and a
//! graceful end.

mod connection;
mod handshake;
mod stream;

use axum::Router;
use connection::Shared;
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stream::Progress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What clients may take.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Connections at once; further ones wait in the listener's queue.
    pub max_connections: usize,
    /// Bytes that a request's headers may have.
    pub max_header_bytes: u32,
    /// How long a client may take to agree on TLS.
    pub handshake_timeout: Duration,
    /// How long a connection may take to say a request's headers, and may be idle between requests.
    pub header_read_timeout: Duration,
    /// How long a client may take none of the bytes of its response.
    pub write_timeout: Duration,
    /// How long calls in flight may take to end when the listener stops.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_connections: 16 * 1024,
            max_header_bytes: 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(30),
        }
    }
}

/// How long to wait after the system refused a connection (mostly for want of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until `shutdown`; then stops accepting, answers new requests on open connections with 503 and
/// `Connection: close`, lets those in flight finish for at most the grace period, and closes every connection.
///
/// With `tls`, connections are encrypted as its value says when they come, and requests carry a [`crate::Peer`]; what
/// comes in clear text is told so and closed. Whom a client certificate is believed from, is for the configuration to
/// decide: who shows one that it lets pass is a node.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let grace = options.grace;
    let places = Arc::new(Semaphore::new(options.max_connections));
    let shared = Arc::new(Shared::new(router, options, tls, shutdown.clone()));
    let connections = TaskTracker::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        error = accept_all(&listener, &places, &shared, &connections) => return Err(error),
    }
    drop(listener);
    let requests = shared.requests.clone();
    requests.close();
    connections.close();
    let finished = async {
        requests.wait().await;
        shared.idle.cancel();
        connections.wait().await;
    };
    if tokio::time::timeout(grace, finished).await.is_err() {
        tracing::warn!(
            requests = requests.len(),
            "requests still in flight after the grace period are broken off"
        );
        shared.kill.cancel();
        connections.wait().await;
    }
    Ok(())
}

/// Ends only when accepting is no longer possible.
async fn accept_all(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shared: &Arc<Shared>,
    connections: &TaskTracker,
) -> io::Error {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            return io::Error::other("the count of connections was closed");
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(shared);
                connections.spawn(async move {
                    converse(stream, shared).await;
                    drop(place);
                });
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let kill = shared.kill.clone();
    tokio::select! {
        () = kill.cancelled() => {}
        () = speak(stream, shared) => {}
    }
}

async fn speak(stream: TcpStream, shared: Arc<Shared>) {
    let progress = Arc::new(Progress::default());
    let Some(tls) = shared.tls.clone() else {
        let guarded = shared.guard(stream, &progress);
        return connection::run(guarded, None, progress, shared).await;
    };
    if let Some((secured, peer)) = handshake::secure(stream, &tls, &progress, &shared).await {
        connection::run(secured, Some(peer), progress, shared).await;
    }
}

/// Whether accepting failed because the client was gone again.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
