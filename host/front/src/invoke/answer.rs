//! A function's answer on its way to the client.

use super::edge::Edge;
use crate::request_body::declared_length;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use remuda_core::{Answer, Body, Call, CallId, Fault, Kind, Mode};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio_util::sync::CancellationToken;

/// What bounds an answer.
pub(super) struct Limits {
    /// The largest body; 0 = no limit.
    pub(super) max_bytes: u64,
    /// Cancelled when the request turned out to be too long.
    pub(super) request_exceeded: CancellationToken,
}

/// The response that an answer makes. Where there is a limit to answers, one that could still exceed it is held back
/// up to there, so that the client can be told.
pub(super) async fn respond(
    edge: Edge,
    call: &Call,
    answer: Answer,
    limits: Limits,
) -> Result<Response, Fault> {
    if call.mode == Mode::Detached && answer.status.is_success() {
        return Ok(accepted());
    }
    let declared = length_of(&answer);
    let (status, mut headers) = edge.to_client(answer.status, answer.headers)?;
    headers.remove(header::CONTENT_LENGTH);
    let max = if limits.max_bytes == 0 { u64::MAX } else { limits.max_bytes };
    if declared.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut body = answer.body;
    let carries_none = call.method == Method::HEAD || matches!(status.as_u16(), 204 | 205 | 304);
    if carries_none {
        // Dropping the body would cancel the call, so it is read to its end.
        drain(&mut body, max).await?;
        if call.method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
            set_length(&mut headers, declared);
        }
        return Ok(assemble(status, headers, axum::body::Body::empty()));
    }
    if max < u64::MAX && declared.is_none() && !is_event_stream(&headers) {
        let held = hold_back(&mut body, max).await?;
        if limits.request_exceeded.is_cancelled() {
            return Err(Fault::user(Kind::TooLarge, "Request body too large for this server"));
        }
        return Ok(assemble(status, headers, held.into()));
    }
    set_length(&mut headers, declared);
    let first = what_is_there(&mut body).await?;
    let body = Streamed {
        inner: body,
        first,
        declared_left: declared,
        allowed_left: max,
        call: call.id.clone(),
        request_exceeded: limits.request_exceeded,
        broken: None,
        ended: false,
    };
    Ok(assemble(status, headers, axum::body::Body::new(body)))
}

fn accepted() -> Response {
    let mut headers = HeaderMap::new();
    set_length(&mut headers, Some(0));
    assemble(StatusCode::ACCEPTED, headers, axum::body::Body::empty())
}

fn assemble(status: StatusCode, headers: HeaderMap, body: axum::body::Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn set_length(headers: &mut HeaderMap, length: Option<u64>) {
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// How long the body is: what it knows itself, else what the function said, where that is one number.
fn length_of(answer: &Answer) -> Option<u64> {
    let mut said = answer.headers.get_all(header::CONTENT_LENGTH).iter();
    let one = said.next().is_some_and(|first| said.all(|other| other == first));
    answer.body.size_hint().exact().or_else(|| declared_length(&answer.headers).filter(|_| one))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

fn too_large() -> Fault {
    Fault::user(Kind::FunctionFailed, "function response body too large")
}

/// Reads a body to its end; a fault when it is longer than `max`.
async fn hold_back(body: &mut Body, max: u64) -> Result<Bytes, Fault> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(data) = next_data(body).await? {
        if (first.len() + whole.len() + data.len()) as u64 > max {
            return Err(too_large());
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

async fn drain(body: &mut Body, max: u64) -> Result<(), Fault> {
    let mut read = 0u64;
    while let Some(data) = next_data(body).await? {
        read = read.saturating_add(data.len() as u64);
        if read > max {
            return Err(too_large());
        }
    }
    Ok(())
}

/// What can be had of a body without waiting: nothing yet, a frame, or its end. One that has failed already can still
/// be told as an error.
async fn what_is_there(body: &mut Body) -> Result<Peeked, Fault> {
    let peek = |context: &mut Context<'_>| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    };
    std::future::poll_fn(peek).await.map(Option::transpose).transpose()
}

/// What was had of a body already, if anything: a frame, or its end.
type Peeked = Option<Option<Frame<Bytes>>>;

/// The next bytes; trailers are not passed on.
async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Fault> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A body that streams to the client. Its headers are out, so a failure can only break the connection off; that is
/// what an error of this body does.
struct Streamed {
    inner: Body,
    first: Peeked,
    declared_left: Option<u64>,
    allowed_left: u64,
    call: CallId,
    request_exceeded: CancellationToken,
    /// Why the connection is about to be broken off.
    broken: Option<Fault>,
    ended: bool,
}

impl Streamed {
    /// Breaks the connection off, at the next poll: hyper throws away what it has not flushed when a body fails, and
    /// it flushes when a body has nothing yet. So the head, and what came before the failure, reach the client.
    fn break_off(
        &mut self,
        fault: Fault,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        crate::status::log_call(&fault, &self.call);
        self.broken = Some(fault);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes note of bytes that pass; says why they may not.
    fn count(&mut self, length: u64) -> Result<(), Fault> {
        self.allowed_left = self.allowed_left.checked_sub(length).ok_or_else(too_large)?;
        if let Some(left) = &mut self.declared_left {
            *left = left.checked_sub(length).ok_or_else(wrong_length)?;
        }
        Ok(())
    }
}

fn wrong_length() -> Fault {
    Fault::user(Kind::FunctionFailed, "invalid function response")
        .caused_by("the body is not as long as it said")
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(fault) = self.broken.take() {
            self.ended = true;
            return Poll::Ready(Some(Err(fault)));
        }
        loop {
            if self.request_exceeded.is_cancelled() {
                let fault = Fault::user(Kind::TooLarge, "Request body too large for this server");
                return self.break_off(fault, context);
            }
            let next = match self.first.take() {
                Some(frame) => frame.map(Ok),
                None => ready!(Pin::new(&mut self.inner).poll_frame(context)),
            };
            match next {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if let Err(fault) = self.count(data.len() as u64) {
                        return self.break_off(fault, context);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(fault)) => return self.break_off(fault, context),
                None if self.declared_left.is_some_and(|left| left > 0) => {
                    return self.break_off(wrong_length(), context);
                }
                None => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let nothing_kept = self.first.is_none();
        self.ended
            || (nothing_kept && self.inner.is_end_stream() && self.declared_left.is_none_or(|left| left == 0))
    }

    fn size_hint(&self) -> SizeHint {
        self.declared_left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
