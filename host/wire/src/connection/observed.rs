//! A socket that remembers the first thing that went wrong on it.
//!
//! With TLS 1.3 a client has finished its handshake before the server has looked at its certificate: the refusal
//! arrives as an alert on the first read. HTTP/2 tells its streams no more than that the connection broke, and the
//! reason would be lost.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was seen on a connection.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    error: OnceLock<String>,
    heard: AtomicU64,
    over: AtomicBool,
}

impl Notes {
    /// The first failure of the connection, in words.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.get().cloned()
    }
    /// How often the peer has sent something.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
    /// Whether the connection has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
    /// The connection has ended.
    pub(super) fn ended(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
    /// The peer does not answer any more.
    pub(super) fn silent(&self, reason: &str) {
        self.error.get_or_init(|| reason.to_owned());
    }
    fn failed(&self, error: &io::Error) {
        self.error.get_or_init(|| crate::tls::refusal(error));
    }
    fn closed(&self) {
        if self.heard() == 0 {
            self.error.get_or_init(|| "it closed the connection without a word".to_owned());
        }
    }
}

/// A socket with [`Notes`].
pub(crate) struct Observed<S> {
    socket: S,
    notes: Arc<Notes>,
}

impl<S> Observed<S> {
    pub(crate) fn new(socket: S, notes: Arc<Notes>) -> Self {
        Self { socket, notes }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Observed<S> {
    /// A write failed. The peer's alert, when it sent one, is the reason, and may be waiting to be read.
    fn write_failed(&mut self, error: &io::Error) {
        let mut space = [0; 1024];
        let mut unread = ReadBuf::new(&mut space);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if let Poll::Ready(Err(alert)) = Pin::new(&mut self.socket).poll_read(&mut cx, &mut unread) {
            self.notes.failed(&alert);
        }
        self.notes.failed(error);
    }

    fn noted<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &written {
            self.write_failed(error);
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, into);
        match &read {
            Poll::Ready(Err(error)) => self.notes.failed(error),
            Poll::Ready(Ok(())) if into.filled().len() > before => {
                self.notes.heard.fetch_add(1, Ordering::Relaxed);
            }
            Poll::Ready(Ok(())) => self.notes.closed(),
            Poll::Pending => {}
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.noted(written)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.noted(flushed)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.noted(written)
    }
    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
