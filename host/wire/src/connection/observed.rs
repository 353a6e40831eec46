//! A socket that remembers the first thing that went wrong on it.
//!
//! With TLS 1.3 a client has finished its handshake before the server has looked at its certificate: the refusal
//! arrives as an alert on the first read. HTTP/2 tells its streams no more than that the connection broke, and the
//! reason would be lost.

use std::io;
use std::net::TcpStream as Peephole;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What the records of a TLS handshake, and its alerts, begin with. Nothing that HTTP/2 begins with does.
const TLS_RECORDS: [u8; 2] = [0x16, 0x15];

/// What was seen on a connection.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    error: OnceLock<String>,
    heard: AtomicU64,
    over: AtomicBool,
    tls: AtomicBool,
    /// A second handle of the socket, to see whether the peer has hung up; gone when the connection has ended, so that
    /// the socket closes.
    peephole: Mutex<Option<Peephole>>,
}

impl Notes {
    /// Notes of a connection over this socket. Without a second handle the peer's end shows a moment later.
    pub(super) fn of(socket: &TcpStream) -> Self {
        let second = socket.as_fd().try_clone_to_owned().ok().map(Peephole::from);
        Self { peephole: Mutex::new(second), ..Self::default() }
    }
    /// Whether the peer has closed the socket, as the kernel knows before the connection's task has been told. A call
    /// that is handed to such a connection could never be offered to anyone else.
    pub(crate) fn is_hung_up(&self) -> bool {
        let peephole = self.peephole.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(socket) = peephole.as_ref() else { return false };
        match socket.peek(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(error) => {
                error.kind() != io::ErrorKind::WouldBlock && error.kind() != io::ErrorKind::Interrupted
            }
        }
    }
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
    /// Whether the peer's first bytes were those of TLS, where HTTP/2 was expected.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.load(Ordering::Relaxed)
    }
    /// The connection has ended.
    pub(super) fn ended(&self) {
        self.over.store(true, Ordering::Relaxed);
        drop(self.peephole.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    /// The peer does not answer any more.
    pub(super) fn silent(&self, reason: &str) {
        self.error.get_or_init(|| reason.to_owned());
    }
    fn failed(&self, error: &io::Error) {
        self.error.get_or_init(|| crate::tls::refusal(error));
    }
    /// The peer sent something.
    fn received(&self, bytes: &[u8]) {
        if self.heard.fetch_add(1, Ordering::Relaxed) == 0
            && bytes.first().is_some_and(|first| TLS_RECORDS.contains(first))
        {
            self.tls.store(true, Ordering::Relaxed);
            self.error.get_or_init(|| {
                "it seems to speak TLS, and this node has no certificates (set the three FN_NODE_CERT variables)"
                    .to_owned()
            });
        }
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
                self.notes.received(into.filled().get(before..).unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_hang_up_is_seen_before_anything_is_read_and_the_handle_goes_with_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        let notes = Notes::of(&ours);
        assert!(!notes.is_hung_up());
        drop(theirs);
        // Loopback delivers the end at once.
        assert!(notes.is_hung_up());
        notes.ended();
        assert!(notes.is_over() && !notes.is_hung_up() && notes.peephole.lock().unwrap().is_none());
    }
}
