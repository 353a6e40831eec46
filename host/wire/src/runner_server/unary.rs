//! The methods with one request and one answer.

use super::{Counters, ReplyBody, answer, refuse};
use crate::announce::{announce, announced};
use crate::framing::{MessageReader, put};
use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use prost::Message;
use remuda_proto::runner::{ConfigMsg, ConfigStatus, RunnerStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Status;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How busy the runner is. What is asked along with it is for status images, which are not run.
pub(super) async fn status<Q: Message + Default>(
    counters: &Counters,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let report = || RunnerStatus {
        active: counters.active.load(Ordering::Relaxed),
        requests_received: counters.received.load(Ordering::Relaxed),
        requests_handled: counters.handled.load(Ordering::Relaxed),
        ..RunnerStatus::default()
    };
    exchange::<Q, _>(request, |_| report()).await
}

/// Takes a configuration and does nothing with it, as a runner without a handler does.
pub(super) async fn configure(request: Request<Incoming>) -> Response<ReplyBody> {
    exchange::<ConfigMsg, _>(request, |_| ConfigStatus {}).await
}

async fn exchange<Q, A>(request: Request<Incoming>, reply: impl FnOnce(Q) -> A) -> Response<ReplyBody>
where
    Q: Message + Default,
    A: Message,
{
    let ours = announced(request.headers());
    let mut reader = MessageReader::new(request.into_body());
    let question = match timeout(ARRIVAL, reader.next::<Q>()).await {
        Ok(Some(Ok(question))) => question,
        Ok(Some(Err(error))) => return refuse(Status::invalid_argument(error.to_string())),
        Ok(None) => return refuse(Status::invalid_argument("there is no message")),
        Err(_) => return refuse(Status::deadline_exceeded("the message did not arrive")),
    };
    let mut out = BytesMut::new();
    put(&reply(question), &mut out);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Ok(Frame::data(out.freeze())), Ok(Frame::trailers(trailers))];
    let mut response = answer(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync());
    if ours {
        announce(response.headers_mut());
    }
    response
}
