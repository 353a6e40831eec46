//! A client's stream that cannot be held open by silence, and that ends so that the last response arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How long, and for how many bytes, a client that is being hung up on may go on sending. Closing a socket with unread
/// bytes resets it, and a reset can overtake the response that says why (a 413, mostly).
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// What the service tells the stream.
#[derive(Debug, Default)]
pub(super) struct Progress {
    request_seen: AtomicBool,
    is_http2: AtomicBool,
}

impl Progress {
    pub(super) fn request_seen(&self, is_http2: bool) {
        self.is_http2.store(is_http2, Ordering::Relaxed);
        self.request_seen.store(true, Ordering::Relaxed);
    }
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }
}

/// The stream. Reading fails when no request was made out in time since it was opened (later ones are under hyper's
/// own timer); writing fails when the client takes nothing for too long.
pub(super) struct Guarded {
    inner: TcpStream,
    progress: Arc<Progress>,
    first_request: Pin<Box<Sleep>>,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Guarded {
    pub(super) fn new(
        inner: TcpStream,
        progress: Arc<Progress>,
        first_request_timeout: Duration,
        write_timeout: Duration,
    ) -> Self {
        let first_request = Box::pin(tokio::time::sleep(first_request_timeout));
        Self { inner, progress, first_request, write_timeout, stalled: None, linger: None }
    }

    /// Starts the clock when writing has to wait, and stops it when it goes on.
    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.write_timeout;
        let clock =
            self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        ready!(clock.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.progress.request_seen.load(Ordering::Relaxed)
            && self.first_request.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sent no request")));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    /// Says that we are done, then reads what the client still sends, within bounds, until it is done too.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
            self.linger = Some((Box::pin(tokio::time::sleep(LINGER)), LINGER_BYTES));
        }
        let Self { inner, linger, .. } = &mut *self;
        let Some((clock, left)) = linger else { return Poll::Ready(Ok(())) };
        let mut scratch = [0u8; 4096];
        while *left > 0 && clock.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *inner).poll_read(context, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => break,
                Ok(()) => *left = left.saturating_sub(buffer.filled().len()),
                Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
