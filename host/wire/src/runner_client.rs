//! A distant runner as an `Executor`: the balancer's side of Engage.

mod answer;
mod upload;

use crate::announce::{announce, announced};
use crate::connection::{Connection, Greeting, Link, Received, Refused, chain, unprocessed};
use crate::fault_code::BUSY;
use crate::framing::MessageReader;
use crate::model;
use answer::{AnswerBody, Ending, ending, lost};
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use remuda_core::call::strip_hop_by_hop;
use remuda_core::port::{Connector, Executor, Offer, Outcome, Taken};
use remuda_core::{Answer, Fault, Kind, RunnerAddress};
use remuda_proto::runner::call_result_start::Meta;
use remuda_proto::runner::{CallFinished, CallResultStart, RunnerMsg, TryCall, runner_msg};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use upload::{Exchange, Upload};

/// A foreign runner never says that it has taken a call; one that has not refused it for this long is believed to
/// have, so that bodies larger than what a balancer keeps for a replay flow on.
const FOREIGN_SILENCE: Duration = Duration::from_millis(100);
/// How long a runner may take to end a stream on which it has said everything.
const CLEAN_END: Duration = Duration::from_secs(1);
/// How often a call is put on another connection because the one it was given had just closed.
const ATTEMPTS: usize = 3;

/// Opens clients of runners; `tls` as [`crate::tls::Identity::client_config`] gives it, `None` to speak in clear.
pub fn connector(tls: Option<Arc<ClientConfig>>) -> Arc<dyn Connector> {
    Arc::new(RunnerConnector { tls, tasks: TaskTracker::new(), clients: Mutex::default() })
}

struct RunnerConnector {
    tls: Option<Arc<ClientConfig>>,
    tasks: TaskTracker,
    /// The clients that somebody has. A runner that serves several groups is reached on one connection.
    clients: Mutex<HashMap<RunnerAddress, Weak<RunnerClient>>>,
}

impl Connector for RunnerConnector {
    fn connect(&self, address: &RunnerAddress) -> Arc<dyn Executor> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = clients.get(address).and_then(Weak::upgrade) {
            return live;
        }
        // Forgotten whenever the map is about to grow, so that it never holds much more than what is in use.
        if clients.len() == clients.capacity() {
            clients.retain(|_, client| client.strong_count() > 0);
        }
        let client = Arc::new(self.client(address));
        clients.insert(address.clone(), Arc::downgrade(&client));
        client
    }
}

impl RunnerConnector {
    fn client(&self, address: &RunnerAddress) -> RunnerClient {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{address}/RunnerProtocol/Engage");
        let connection = Connection::new(
            address.as_str(),
            address.host(),
            self.tls.clone(),
            Greeting::RunnerStatus,
            self.tasks.clone(),
        );
        RunnerClient { connection, engage: uri.parse().map_err(|error| format!("{address}: {error}")) }
    }
}

struct RunnerClient {
    connection: Connection,
    /// The address of Engage; the error is that of an address that no request can carry.
    engage: Result<Uri, String>,
}

/// What became of handing a call to a connection.
enum Handed {
    /// The runner answers.
    Answering(Link, Response<Received>),
    /// Nothing of the call arrived anywhere.
    NeverArrived(Fault),
}

#[async_trait]
impl Executor for RunnerClient {
    async fn execute(&self, offer: Offer) -> Result<Outcome, Fault> {
        let Offer { call, body, taken } = offer;
        // However this ends, the caller's body is dropped before it does: the call may be offered elsewhere then.
        let exchange = CancelOnDrop(Exchange::new(body));
        let handed = self.hand_over(&exchange.0, || model::write(&call), &taken).await?;
        let (link, response) = match handed {
            Handed::Answering(link, response) => (link, response),
            Handed::NeverArrived(fault) => return Ok(Outcome::NeverArrived(fault)),
        };
        if announced(response.headers()) {
            link.saw_announcement();
        }
        if response.status() != StatusCode::OK {
            let said = format!("the runner's address answered with HTTP status {}", response.status());
            return Err(Fault::internal(said));
        }
        match ending(response.headers()) {
            None => {}
            Some(Ending::Unimplemented) => {
                let fault = Fault::service(Kind::Unavailable, "the peer is not a runner");
                return Ok(Outcome::NeverArrived(fault));
            }
            Some(ended) => return ended.without_answer(),
        }
        let reader = MessageReader::new(response.into_body());
        self.listen(reader, exchange, &link, &taken).await
    }
}

impl RunnerClient {
    /// Sends the call on the live connection, or on the next one when that closed before it took anything.
    async fn hand_over(
        &self,
        exchange: &Arc<Exchange>,
        model: impl FnOnce() -> String,
        taken: &Taken,
    ) -> Result<Handed, Fault> {
        let engage = match &self.engage {
            Ok(uri) => uri.clone(),
            Err(why) => {
                let fault = Fault::service(Kind::Unavailable, "a runner's address cannot be used");
                return Ok(Handed::NeverArrived(fault.caused_by(why.clone())));
            }
        };
        let mut link = match self.connection.acquire().await {
            Ok(link) => link,
            Err(fault) => return Ok(Handed::NeverArrived(fault)),
        };
        let tried = TryCall { models_call_json: model(), ..TryCall::default() };
        let mut request = request(engage, Upload::new(tried, exchange.clone(), link.announced()));
        for _ in 0..ATTEMPTS {
            let error = match self.send(&mut link, request, taken).await {
                Ok(response) => return Ok(Handed::Answering(link, response)),
                Err(Refused::Lost(error)) => return self.was_lost(exchange, &link, error),
                Err(Refused::Unsent(back, error)) => {
                    request = *back;
                    error
                }
            };
            tracing::debug!(peer = %self.connection.address(), %error, "a connection had just closed");
            self.connection.discard(&link);
            link = match self.connection.acquire().await {
                Ok(link) => link,
                Err(fault) => return Ok(Handed::NeverArrived(fault)),
            };
        }
        let fault = Fault::service(Kind::Unavailable, "the runner closes every connection");
        Ok(Handed::NeverArrived(fault))
    }

    async fn send(
        &self,
        link: &mut Link,
        request: Request<Upload>,
        taken: &Taken,
    ) -> Result<Response<Received>, Refused<Upload>> {
        let foreign = !link.announced();
        let mut answering = std::pin::pin!(link.send(request));
        if foreign {
            match timeout(FOREIGN_SILENCE, answering.as_mut()).await {
                Ok(answer) => return answer,
                Err(_) => taken.signal(),
            }
        }
        answering.await
    }

    /// The connection or the stream broke before the runner said anything.
    fn was_lost(&self, exchange: &Exchange, link: &Link, error: h2::Error) -> Result<Handed, Fault> {
        if let Some(fault) = exchange.body_fault() {
            return Err(fault);
        }
        let unseen = !exchange.try_left() || unprocessed(&error);
        let reason = self.connection.lost(link, &error);
        if unseen {
            let address = self.connection.address();
            let fault = Fault::service(Kind::Unavailable, format!("{address} cannot be reached"));
            return Ok(Handed::NeverArrived(fault.caused_by(reason)));
        }
        Err(lost(reason))
    }

    /// Reads what the runner says until it answers, refuses or fails.
    async fn listen(
        &self,
        mut reader: MessageReader<Received>,
        exchange: CancelOnDrop,
        link: &Link,
        taken: &Taken,
    ) -> Result<Outcome, Fault> {
        loop {
            let message = match reader.next::<RunnerMsg>().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    let fault = exchange.0.body_fault();
                    return Err(fault.unwrap_or_else(|| lost(link.reason().unwrap_or_else(|| chain(&error)))));
                }
                None => {
                    return match reader.trailers().and_then(ending) {
                        Some(ended) => ended.without_answer(),
                        None => Err(lost("the runner ended the stream without an answer")),
                    };
                }
            };
            match message.body {
                Some(runner_msg::Body::Taken(_)) => taken.signal(),
                Some(runner_msg::Body::ResultStart(start)) => {
                    taken.signal();
                    let (status, headers) = head(start);
                    let body = AnswerBody::new(reader, exchange, link.clone()).boxed_unsync();
                    return Ok(Outcome::Answered(Answer { status, headers, body }));
                }
                Some(runner_msg::Body::Finished(finished)) => {
                    exchange.0.finish();
                    let end = async { while let Some(Ok(_)) = reader.next::<RunnerMsg>().await {} };
                    // Whatever comes is of no interest; that it comes keeps the stream from being reset.
                    let _ = timeout(CLEAN_END, end).await;
                    return finished_at_once(&finished, taken);
                }
                Some(runner_msg::Body::Data(_)) => {
                    return Err(Fault::internal("the runner sent data before the answer's beginning"));
                }
                // A message of a later version.
                None => {}
            }
        }
    }
}

/// The runner finished the call without having begun an answer.
fn finished_at_once(finished: &CallFinished, taken: &Taken) -> Result<Outcome, Fault> {
    if !finished.success && finished.error_code == BUSY {
        return Ok(Outcome::Busy);
    }
    taken.signal();
    if finished.success {
        // A function that answered nothing at all; Fn's runner never sends its head.
        return Ok(Outcome::Answered(Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: remuda_core::call::empty(),
        }));
    }
    Err(crate::fault_code::fault(finished))
}

fn request(uri: Uri, upload: Upload) -> Request<Upload> {
    let mut request = Request::new(upload);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    announce(headers);
    request
}

/// The answer's status and headers; those that HTTP cannot carry are left out.
fn head(start: CallResultStart) -> (StatusCode, HeaderMap) {
    let Some(Meta::Http(meta)) = start.meta else { return (StatusCode::OK, HeaderMap::new()) };
    let status = u16::try_from(meta.status_code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let mut headers = HeaderMap::with_capacity(meta.headers.len());
    for header in meta.headers {
        let name = HeaderName::from_bytes(header.key.as_bytes());
        let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(header.value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    strip_hop_by_hop(&mut headers);
    (status.unwrap_or(StatusCode::OK), headers)
}

/// A call whose answer nobody waits for any more is cancelled.
struct CancelOnDrop(Arc<Exchange>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_nobody_has_any_more_are_forgotten() {
        let connector = RunnerConnector { tls: None, tasks: TaskTracker::new(), clients: Mutex::default() };
        let address = |n: usize| RunnerAddress::parse(&format!("h{n}:1")).unwrap();
        let kept: Vec<_> = (0..10).map(|n| connector.connect(&address(n))).collect();
        for n in 0..10_000 {
            connector.connect(&address(n));
        }
        assert!(connector.clients.lock().unwrap().len() < 100);
        for (n, client) in kept.iter().enumerate() {
            assert!(Arc::ptr_eq(client, &connector.connect(&address(n))));
        }
    }
}
