//! Engage: takes a call off the stream, has it executed, and begins the reply.

use super::input::{Input, Shared};
use super::reply::{Meta, Reply};
use super::{Counted, Counters, ReplyBody, answer, refuse};
use crate::announce::{announce, announced, frame_limit};
use crate::framing::MessageReader;
use crate::model;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use remuda_core::Timestamp;
use remuda_core::port::{Executor, Offer, Taken};
use remuda_proto::runner::{ClientMsg, TryCall, client_msg};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use tonic::Status;

/// How long a balancer may take to say which call it is about.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
const EXPECTED_TRY: &str = "Protocol failure: expected ClientMsg_Try";

pub(super) async fn engage(
    executor: Arc<dyn Executor>,
    counters: &Arc<Counters>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let counted = Counted::begin(counters);
    let ours = announced(request.headers());
    let mut reader = MessageReader::new(request.into_body());
    let tried = match timeout(FIRST_MESSAGE, reader.next::<ClientMsg>()).await {
        Ok(Some(Ok(ClientMsg { body: Some(client_msg::Body::Try(tried)) }))) => tried,
        Ok(Some(Ok(_)) | None) => return refuse(Status::unknown(EXPECTED_TRY)),
        Ok(Some(Err(error))) => return refuse(Status::internal(error.to_string())),
        Err(_) => return refuse(Status::deadline_exceeded(EXPECTED_TRY)),
    };
    let received = SystemTime::now();
    let shared = Arc::new(Shared::default());
    let mut reply = match read(&tried, received) {
        Ok(call) => {
            let meta = Meta::of(&call, received);
            let signal = shared.clone();
            let offer = Offer {
                call: Arc::new(call),
                body: Input::new(reader, shared.clone()).boxed_unsync(),
                taken: Taken::new(move || signal.take()),
            };
            let executing = Box::pin(async move { executor.execute(offer).await });
            Reply::executing(executing, meta, shared, counted, ours)
        }
        Err(unreadable) => Reply::unreadable(unreadable, received, shared, counted, frame_limit(ours)),
    };
    // The head goes out with the first message: one packet instead of two, and a broken balancer gets a plain failure.
    reply.first_message().await;
    let mut response = answer(reply.boxed_unsync());
    if ours {
        announce(response.headers_mut());
    }
    response
}

/// The call of a first message; the error is told with the code 0, as Fn's runner does.
fn read(tried: &TryCall, received: SystemTime) -> Result<remuda_core::Call, String> {
    let hex = tried.slot_hash_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex || !tried.slot_hash_id.len().is_multiple_of(2) {
        return Err("slot_hash_id is not hexadecimal".to_owned());
    }
    model::read(&tried.models_call_json, Timestamp::from(received))
}
