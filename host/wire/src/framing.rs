//! gRPC's framing: each message is a zero byte (not compressed), its length in four bytes, and its protobuf.
//!
//! Calls are framed here and not by tonic, because they are the hot path: messages are read in place from the
//! connection's buffers, several are sent in one frame, and no task or channel stands between a body and its stream.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use prost::Message;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Flag and length.
const PREFIX: usize = 5;
/// The largest message that is accepted, in bytes: gRPC's usual limit. Bodies come in small pieces; only a call's
/// model, with its headers and settings, comes near.
pub(crate) const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Why a stream of messages cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the connection or the stream was lost")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a message is compressed, which was not agreed on")]
    Compressed,
    #[error("a message of {0} bytes is larger than the limit of {MESSAGE_LIMIT}")]
    TooLarge(usize),
    #[error("the stream ended inside a message")]
    Truncated,
    #[error("a message is not what the protocol says")]
    Malformed(#[source] prost::DecodeError),
}

/// Appends a message to what is going to be sent.
pub(crate) fn put(message: &impl Message, out: &mut BytesMut) {
    let length = message.encoded_len();
    out.reserve(PREFIX + length);
    out.put_u8(0);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // The buffer grows as needed, so that encoding into it cannot fail.
    let _ = message.encode(out);
}

/// Reads messages from a body.
pub(crate) struct MessageReader<B> {
    body: B,
    /// What has arrived and was not looked at yet.
    chunk: Bytes,
    /// The beginning of a message that came in several chunks; empty otherwise.
    partial: BytesMut,
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl<B> MessageReader<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(body: B) -> Self {
        Self { body, chunk: Bytes::new(), partial: BytesMut::new(), trailers: None, ended: false }
    }

    /// What came after the last message.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Option<Result<M, Error>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) fn poll_next<M: Message + Default>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<M, Error>>> {
        loop {
            match self.take() {
                Ok(Some(bytes)) => match M::decode(bytes) {
                    Ok(message) => return Poll::Ready(Some(Ok(message))),
                    Err(error) => return self.broken(Error::Malformed(error)),
                },
                Ok(None) => {}
                Err(error) => return self.broken(error),
            }
            if self.ended {
                return if self.partial.is_empty() {
                    Poll::Ready(None)
                } else {
                    self.broken(Error::Truncated)
                };
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.ended = true,
                Some(Err(error)) => return self.broken(Error::Lost(error.into())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.chunk = data,
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        self.ended = true;
                    }
                },
            }
        }
    }

    /// Nothing can be read after an error: where the next message begins is not known.
    fn broken<M>(&mut self, error: Error) -> Poll<Option<Result<M, Error>>> {
        self.ended = true;
        self.chunk = Bytes::new();
        self.partial = BytesMut::new();
        Poll::Ready(Some(Err(error)))
    }

    /// Takes one whole message out of what has arrived; `None` asks for another chunk. In the usual case it is a
    /// slice of the chunk, and nothing is copied.
    fn take(&mut self) -> Result<Option<Bytes>, Error> {
        if self.partial.is_empty() && self.chunk.len() >= PREFIX {
            let length = length(&self.chunk)?;
            if self.chunk.len() - PREFIX >= length {
                self.chunk.advance(PREFIX);
                return Ok(Some(self.chunk.split_to(length)));
            }
        }
        if self.chunk.is_empty() {
            return Ok(None);
        }
        self.grow(PREFIX);
        if self.partial.len() < PREFIX {
            return Ok(None);
        }
        let length = length(&self.partial)?;
        self.grow(PREFIX + length);
        if self.partial.len() < PREFIX + length {
            return Ok(None);
        }
        let mut message = self.partial.split().freeze();
        message.advance(PREFIX);
        Ok(Some(message))
    }

    /// Moves bytes from the chunk to the partial message until that holds `wanted`.
    fn grow(&mut self, wanted: usize) {
        let missing = wanted.saturating_sub(self.partial.len());
        let taken = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&taken);
    }
}

fn length(mut prefix: &[u8]) -> Result<usize, Error> {
    if prefix.get_u8() != 0 {
        return Err(Error::Compressed);
    }
    let length = prefix.get_u32() as usize;
    if length > MESSAGE_LIMIT { Err(Error::TooLarge(length)) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use proptest::prelude::*;
    use remuda_proto::runner::DataFrame;

    type Chunks = Vec<Result<Frame<Bytes>, std::io::Error>>;

    fn read_all(chunks: Chunks) -> Vec<Result<DataFrame, Error>> {
        let mut reader = MessageReader::new(StreamBody::new(stream::iter(chunks)));
        let mut all = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(next)) = reader.poll_next(&mut cx) {
            let broken = next.is_err();
            all.push(next);
            if broken {
                let after: Poll<Option<Result<DataFrame, Error>>> = reader.poll_next(&mut cx);
                assert!(matches!(after, Poll::Ready(None)), "read on after an error");
                break;
            }
        }
        all
    }

    fn cut(bytes: &[u8], at: &[usize]) -> Chunks {
        let mut chunks = Vec::new();
        let mut rest = bytes;
        for size in at.iter().cycle() {
            if rest.is_empty() || at.iter().all(|size| *size == 0) {
                break;
            }
            let (head, tail) = rest.split_at((*size).min(rest.len()));
            chunks.push(Ok(Frame::data(Bytes::copy_from_slice(head))));
            rest = tail;
        }
        chunks
    }

    proptest! {
        #[test]
        fn messages_survive_any_cutting_into_chunks(
            sizes in prop::collection::vec(0usize..3000, 0..12),
            at in prop::collection::vec(1usize..2000, 1..6),
        ) {
            let sent: Vec<_> = sizes.iter().enumerate()
                .map(|(n, size)| DataFrame { data: vec![n as u8; *size].into(), eof: n % 2 == 0 })
                .collect();
            let mut bytes = BytesMut::new();
            sent.iter().for_each(|message| put(message, &mut bytes));
            let read: Vec<_> = read_all(cut(&bytes, &at)).into_iter().map(Result::unwrap).collect();
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn rubbish_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 1usize..50) {
            let _ = read_all(cut(&bytes, &[at]));
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_is_an_error() {
        let mut bytes = BytesMut::new();
        put(&DataFrame { data: Bytes::from_static(b"hello"), eof: true }, &mut bytes);
        bytes.truncate(bytes.len() - 1);
        assert!(matches!(read_all(cut(&bytes, &[3]))[..], [Err(Error::Truncated)]));
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_is_kept() {
        let chunks = vec![Ok(Frame::data(Bytes::from_static(&[0, 0xff, 0, 0, 0])))];
        assert!(matches!(read_all(chunks)[0], Err(Error::TooLarge(_))));
    }

    #[test]
    fn a_compressed_message_is_refused() {
        let chunks = vec![Ok(Frame::data(Bytes::from_static(&[1, 0, 0, 0, 1, 0])))];
        assert!(matches!(read_all(chunks)[0], Err(Error::Compressed)));
    }
}
