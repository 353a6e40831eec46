//! How a function that listens is spoken to: Fn's http-stream contract, HTTP/1.1 over a unix socket, one call at a
//! time. Knows nothing of what runs the function.

mod answer;
mod connection;
mod request;
mod stream;
mod upload;
mod verdict;

use crate::socket;
use answer::AnswerBody;
use connection::{Connection, Home};
use http::response::Parts;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use remuda_core::port::{CallFault, FunctionRequest};
use remuda_core::{Answer, Call, call};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, Sleep, sleep_until};
use upload::Upload;
use verdict::{Limit, Verdict};

/// Between two tries to connect to a socket that exists but is not listened on yet.
const CONNECT_RETRY: Duration = Duration::from_millis(2);
/// What connecting to a function that listens may take; it is the kernel that answers.
const LISTENS: Duration = Duration::from_millis(100);
/// How much of a failing function's own text is logged.
const LOGGED_BYTES: usize = 2048;
/// A failing function's text beyond this costs it its connection.
const DRAINED_BYTES: usize = 64 * 1024;
/// A timer cannot be set further ahead than this.
const FAR_AHEAD: Duration = Duration::from_secs(365 * 24 * 3600);

/// What an answer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the answer's head.
    pub(crate) header_bytes: usize,
    /// Bytes of its body; `None` is no limit.
    pub(crate) body_bytes: Option<u64>,
}

/// Speaks to one function.
#[derive(Debug)]
pub(crate) struct Client {
    directory: PathBuf,
    limits: Limits,
    home: Home,
}

/// A function's answer that may be passed on.
struct Good {
    head: Parts,
    /// What was held back while its size was not known.
    held: VecDeque<bytes::Bytes>,
    /// The rest, unless all of it is held.
    rest: Option<Incoming>,
    connection: Option<Connection>,
}

impl Client {
    /// A client for the function whose socket is in `directory`.
    pub(crate) fn new(directory: PathBuf, limits: Limits) -> Self {
        Self { directory, limits, home: Home::default() }
    }

    /// Connects ahead of the first call. A socket exists a moment before it is listened on, so a refusal is tried
    /// again, until the caller's own deadline drops this.
    pub(crate) async fn warm_up(&self) -> io::Result<()> {
        loop {
            match socket::connect(&self.directory).await {
                Ok(stream) => {
                    let connection = Connection::open(stream, self.limits.header_bytes).await;
                    self.home.put(connection?);
                    return Ok(());
                }
                Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
                    tokio::time::sleep(CONNECT_RETRY).await;
                }
                Err(why) => return Err(why),
            }
        }
    }

    /// Whether somebody listens: the kept connection is open, or a new one can be had, which is then kept.
    pub(crate) async fn listens(&self) -> bool {
        if let Some(kept) = self.home.take() {
            self.home.put(kept);
            return true;
        }
        let fresh = async {
            let stream = socket::connect(&self.directory).await?;
            Connection::open(stream, self.limits.header_bytes).await
        };
        match tokio::time::timeout(LISTENS, fresh).await {
            Ok(Ok(connection)) => {
                self.home.put(connection);
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// One call, until its answer's head, or its whole answer where that has to be held back.
    pub(crate) async fn call(&self, request: FunctionRequest) -> Result<Answer, CallFault> {
        let FunctionRequest { call, body, deadline } = request;
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default().min(FAR_AHEAD);
        if left.is_zero() {
            return Err(verdict::too_late());
        }
        let mut bell = Box::pin(sleep_until(Instant::now() + left));
        let good = tokio::select! {
            biased;
            () = &mut bell => return Err(verdict::timed_out()),
            good = self.converse(&call, body, deadline) => good?,
        };
        Ok(self.answer(good, bell))
    }

    fn answer(&self, good: Good, bell: std::pin::Pin<Box<Sleep>>) -> Answer {
        let Good { head, held, rest, connection } = good;
        let mut headers = head.headers;
        call::strip_hop_by_hop(&mut headers);
        let limit = self.limits.body_bytes;
        let body = AnswerBody::new(held, rest, limit, bell, connection.map(|kept| (kept, self.home.clone())));
        Answer { status: head.status, headers, body: body.boxed_unsync() }
    }

    async fn converse(&self, call: &Call, body: call::Body, deadline: SystemTime) -> Result<Good, CallFault> {
        let request = request::build(call, Upload::new(body), deadline);
        let (connection, response) = self.send(request).await?;
        let (head, body) = response.into_parts();
        match verdict::of_status(head.status) {
            Verdict::Good => self.hold_back(head, body, connection).await,
            Verdict::Failed(fault) => {
                self.hear_out(call, body, connection).await;
                Err(fault)
            }
            Verdict::Broken(fault) => Err(fault),
        }
    }

    /// Sends a request on the kept connection, or on a new one. Only a request of which no byte was written may go out
    /// a second time: the function must not see a call twice.
    async fn send(
        &self,
        mut request: http::Request<Upload>,
    ) -> Result<(Connection, Response<Incoming>), CallFault> {
        if let Some(mut kept) = self.home.take() {
            match kept.send(request).await {
                Ok(response) => return Ok((kept, response)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(verdict::of_error(failed.into_error())),
                },
            }
        }
        let stream = socket::connect(&self.directory).await.map_err(verdict::no_answer)?;
        let opened = Connection::open(stream, self.limits.header_bytes).await;
        let mut fresh = opened.map_err(verdict::no_answer)?;
        match fresh.send(request).await {
            Ok(response) => Ok((fresh, response)),
            Err(failed) => Err(verdict::of_error(failed.into_error())),
        }
    }

    /// Where there is a limit, keeps the answer until it is known to be within it, so that one that is not can still
    /// be told to the caller by its status.
    async fn hold_back(
        &self,
        head: Parts,
        mut body: Incoming,
        connection: Connection,
    ) -> Result<Good, CallFault> {
        let limit = match verdict::of_size(&head.headers, self.limits.body_bytes) {
            Limit::Within => {
                let connection = Some(connection);
                return Ok(Good { head, held: VecDeque::new(), rest: Some(body), connection });
            }
            Limit::Beyond => return Err(verdict::body_too_large()),
            Limit::Unknown(limit) => limit,
        };
        let (mut held, mut bytes) = (VecDeque::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(verdict::of_error)?.into_data() else { continue };
            bytes += data.len() as u64;
            if bytes > limit {
                return Err(verdict::body_too_large());
            }
            held.push_back(data);
        }
        self.home.put(connection);
        Ok(Good { head, held, rest: None, connection: None })
    }

    /// Reads what a failing function says: for the log, and so that the connection can be used again.
    async fn hear_out(&self, call: &Call, mut body: Incoming, connection: Connection) {
        let (mut text, mut bytes) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return };
            let Ok(data) = frame.into_data() else { continue };
            bytes += data.len();
            text.extend_from_slice(&data[..data.len().min(LOGGED_BYTES - text.len())]);
            if bytes > DRAINED_BYTES {
                break;
            }
        }
        tracing::debug!(
            fn.id = %call.target.fn_id,
            call.id = %call.id,
            size_bytes = bytes,
            text = %String::from_utf8_lossy(&text),
            "function failed"
        );
        if bytes <= DRAINED_BYTES {
            self.home.put(connection);
        }
    }
}

/// The length that a head announces, if it is a number.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
