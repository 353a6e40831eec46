//! One request and its answer on an HTTP/2 connection.
//!
//! This is done on h2 itself and not through hyper's client for the sake of one thing: whoever lets go of a request or
//! of its answer ends the stream at once, also while the request's body waits for the peer to read. hyper's client
//! waits on, and with it the call on the other side.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// Why a request has no answer.
pub(crate) enum Refused<B> {
    /// The request was never sent; here it is back.
    Unsent(Box<Request<B>>, h2::Error),
    /// The request, or a part of it, may have arrived.
    Lost(h2::Error),
}

/// Sends a request; resolves with the head of the answer. What does not leave at once is sent by a task under `tasks`,
/// which ends with this future and with the answer's body.
pub(super) async fn send<B>(
    sender: &mut SendRequest<Bytes>,
    request: Request<B>,
    tasks: &TaskTracker,
) -> Result<Response<Received>, Refused<B>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let unsent = |request, error| Refused::Unsent(Box::new(request), error);
    if let Err(error) = poll_fn(|cx| sender.poll_ready(cx)).await {
        return Err(unsent(request, error));
    }
    let (head, body) = request.into_parts();
    let (answer, stream) = match sender.send_request(Request::from_parts(head.clone(), ()), false) {
        Ok(opened) => opened,
        Err(error) => return Err(unsent(Request::from_parts(head, body), error)),
    };
    // While the peer takes no more streams, this one only waits its turn.
    if let Err(error) = poll_fn(|cx| sender.poll_ready(cx)).await {
        return Err(unsent(Request::from_parts(head, body), error));
    }
    receive(answer, Sending::begin(Pump { stream, body, held: None, done: false }, tasks).await).await
}

async fn receive<B>(answer: ResponseFuture, sending: Sending) -> Result<Response<Received>, Refused<B>> {
    let answer = answer.await.map_err(Refused::Lost)?;
    Ok(answer.map(|stream| Received { stream, data_ended: false, _sending: sending }))
}

/// The task that sends a request's body, if it takes one. It ends when this is dropped.
struct Sending(Option<AbortHandle>);

impl Sending {
    async fn begin<B>(mut pump: Pump<B>, tasks: &TaskTracker) -> Self
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        // Most bodies leave at once, without a task.
        let begun = poll_fn(|cx| Poll::Ready(Pin::new(&mut pump).poll(cx))).await;
        Self(begun.is_pending().then(|| tasks.spawn(pump).abort_handle()))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Sends a body as fast as the peer reads. Dropping it before its end resets the stream.
struct Pump<B> {
    stream: SendStream<Bytes>,
    body: B,
    /// A piece that waits for the peer to have room, and whether it is the last.
    held: Option<(Bytes, bool)>,
    done: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Pump<B> {
    /// Goes on until everything is sent. An error is that the stream has ended already, or that the body broke off.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        loop {
            // Registers this task for the peer's reset, whatever else it waits for.
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(()));
            }
            if let Some((piece, _)) = &self.held {
                // An empty piece needs no room.
                while !piece.is_empty() && self.stream.capacity() == 0 {
                    match ready!(self.stream.poll_capacity(cx)) {
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Poll::Ready(Err(())),
                    }
                }
            }
            if let Some((piece, last)) = self.held.take() {
                self.stream.send_data(piece, last).map_err(drop)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            // Room is asked for only once there is something to send: the connection's is shared by all streams.
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.stream.send_data(Bytes::new(), true).map_err(drop));
            };
            match frame.map_err(drop)?.into_data() {
                Ok(piece) => {
                    let last = self.body.is_end_stream();
                    self.stream.reserve_capacity(piece.len().min(1));
                    self.held = Some((piece, last));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Poll::Ready(self.stream.send_trailers(trailers).map_err(drop));
                }
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Future for Pump<B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sent = ready!(self.poll_send(cx));
        self.done = sent.is_ok();
        Poll::Ready(())
    }
}

impl<B> Drop for Pump<B> {
    fn drop(&mut self) {
        if !self.done {
            self.stream.send_reset(Reason::CANCEL);
        }
    }
}

/// The body of an answer. Dropping it before its end resets the stream.
pub(crate) struct Received {
    stream: RecvStream,
    data_ended: bool,
    _sending: Sending,
}

impl Body for Received {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It fails only for more than was received.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(broken_off(error)),
                None => self.data_ended = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(broken_off(error)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

fn broken_off<T>(error: h2::Error) -> Option<Result<T, h2::Error>> {
    // The peer had said everything before it reset the stream (RFC 9113, 8.1).
    (error.reason() != Some(Reason::NO_ERROR)).then_some(Err(error))
}
