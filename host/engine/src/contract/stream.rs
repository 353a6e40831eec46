//! The bytes of a connection, as the HTTP client reads and writes them.

use crate::contract::connection::Activity;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UnixStream;

/// A stream whose other end may stop reading before we stop writing. A function may answer before it has read its
/// whole request, and then close: what it did not want to read is thrown away, so that what it said is still read.
pub(crate) struct Stream {
    io: TokioIo<UnixStream>,
    activity: Arc<Activity>,
}

impl Stream {
    pub(crate) fn new(stream: UnixStream, activity: Arc<Activity>) -> Self {
        Self { io: TokioIo::new(stream), activity }
    }

    fn unheard(
        &self,
        written: Poll<io::Result<usize>>,
        all: impl FnOnce() -> usize,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(why)) if why.kind() == io::ErrorKind::BrokenPipe => {
                self.activity.unheard();
                Poll::Ready(Ok(all()))
            }
            other => other,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.activity.hang_up();
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unheard(written, || bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.unheard(written, || parts.iter().map(|part| part.len()).sum())
    }
}
