//! From a client's first byte to an encrypted stream, or to a refusal that it can read.

use super::connection::Shared;
use super::stream::{Guarded, Progress};
use crate::Peer;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How every TLS connection begins: the content type of a handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;
/// What a client that speaks HTTP in clear text is told.
const WRONG_SCHEME: &str = "{\"message\":\"this port speaks https: write https:// in the URL\"}\n";
/// How often refused certificates are warned of.
const QUIET: Duration = Duration::from_secs(10);

/// Agrees on TLS within the deadline; `None` when that failed and the client is gone.
pub(super) async fn secure(
    stream: TcpStream,
    tls: &watch::Receiver<Arc<ServerConfig>>,
    progress: &Arc<Progress>,
    shared: &Shared,
) -> Option<(TlsStream<Guarded>, Peer)> {
    let address = stream.peer_addr().ok()?;
    let agreed = tokio::time::timeout(shared.options.handshake_timeout, agree(stream, tls, progress, shared));
    let agreed = tokio::select! {
        () = shared.shutdown.cancelled() => return None,
        agreed = agreed => agreed,
    };
    match agreed {
        Ok(Ok(secured)) => {
            let shown = secured.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
            let peer = if shown { Peer::Node } else { Peer::Anonymous };
            Some((secured, peer))
        }
        Ok(Err(error)) => {
            shared.refusals.report(address, &error);
            None
        }
        Err(_) => {
            tracing::debug!(peer = %address, "a client did not agree on TLS in time");
            None
        }
    }
}

async fn agree(
    stream: TcpStream,
    tls: &watch::Receiver<Arc<ServerConfig>>,
    progress: &Arc<Progress>,
    shared: &Shared,
) -> io::Result<TlsStream<Guarded>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut guarded = shared.guard(stream, progress);
    if first[0] != HANDSHAKE_RECORD {
        refuse_clear_text(&mut guarded).await?;
        return Err(io::Error::other("the client does not speak TLS"));
    }
    let config = Arc::clone(&tls.borrow());
    match TlsAcceptor::from(config).accept(guarded).into_fallible().await {
        Ok(secured) => Ok(secured),
        Err((error, mut guarded)) => {
            // Lets the alert arrive that says why. Whether it does is the client's affair.
            let _ = guarded.shutdown().await;
            Err(error)
        }
    }
}

async fn refuse_clear_text(stream: &mut Guarded) -> io::Result<()> {
    let length = WRONG_SCHEME.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{WRONG_SCHEME}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// The clients that were refused: which of them an operator hears of.
#[derive(Default)]
pub(super) struct Refusals {
    warned: Mutex<Option<Instant>>,
}

impl Refusals {
    /// A certificate that is not believed is most likely a node's of ours, whose files are wrong, and is warned of now
    /// and then; anything else is the noise of an open port.
    fn report(&self, peer: SocketAddr, error: &io::Error) {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let certificate = matches!(tls, Some(rustls::Error::InvalidCertificate(_)));
        if certificate && self.is_news(Instant::now()) {
            tracing::warn!(%peer, %error, "a client's certificate is not one of the platform's nodes");
        } else {
            tracing::debug!(%peer, %error, "a client was refused");
        }
    }

    fn is_news(&self, now: Instant) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = warned.is_none_or(|then| now.saturating_duration_since(then) >= QUIET);
        if is_news {
            *warned = Some(now);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_certificates_are_warned_of_now_and_then() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        assert!(refusals.is_news(now));
        assert!(!refusals.is_news(now + QUIET / 2));
        assert!(refusals.is_news(now + QUIET));
        assert!(!refusals.is_news(now + QUIET + QUIET / 2));
    }
}
