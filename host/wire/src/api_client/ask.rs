//! One question: put to one API node after another until there is an answer that is not the nodes' own trouble.

use super::Shared;
use super::shapes::message;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::timeout;

/// What one question may take, with all its attempts.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// What one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// A node that has not answered by then is given company: the next one is asked too, and the first answer counts.
const PATIENCE: Duration = Duration::from_millis(300);
/// The pauses before the rounds after the first, in milliseconds.
const PAUSES_MS: [u64; 2] = [30, 120];
/// The largest answer, in bytes. One app, function or trigger is a few kilobytes; API nodes of ours make sure that it is
/// never more than an eighth of this.
const ANSWER: usize = 4 << 20;
/// Tells an API node that the node which asks means to be known by its certificate.
const AUTH: &str = "remuda-auth";

/// Why an attempt gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("ask {0}")]
    Ask(String, #[source] hyper_util::client::legacy::Error),
    #[error("read the answer of {0}")]
    Read(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node is there; what it was asked for is beyond reason.
    #[error("{0} answered more than {ANSWER} bytes")]
    TooLarge(String),
    #[error("{0} did not answer in time")]
    Late(String),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    /// It does not tell us anything, whatever we ask.
    #[error("{0} answered {1}: {2}")]
    Refused(String, StatusCode, String),
}

impl Failed {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(..))
    }
    /// Whether it is about what was asked for, and not about the node.
    fn is_about_the_thing(&self) -> bool {
        matches!(self, Self::TooLarge(..))
    }
}

/// Whether a status is about us and how we ask (no token, http where https is spoken), and not about what we ask for.
/// What is asked for is well formed, so the caller of a function is never to blame for it.
fn is_refusal(status: StatusCode) -> bool {
    let about_the_thing = matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    status.is_client_error() && !about_the_thing
}

pub(super) type Answer = (StatusCode, Bytes);

impl Shared {
    /// Asks in rounds, with a pause before each but the first. To ask again those who all refuse is of no use, nor is it
    /// to ask others for what one could not tell.
    pub(super) async fn ask(&self, path: &PathAndQuery) -> Result<Answer, Failed> {
        for pause in PAUSES_MS {
            match self.round(path).await {
                Err(failed) if !failed.is_refusal() && !failed.is_about_the_thing() => {
                    tracing::debug!(error = %crate::connection::chain(&failed), "asking again");
                }
                end => return end,
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.round(path).await
    }

    /// Asks each node once: the next one as soon as one fails or is slow. One that was slow may still be the first to
    /// answer. The failure is a refusal only if all refuse.
    async fn round(&self, path: &PathAndQuery) -> Result<Answer, Failed> {
        let mut waiting = self.nodes.in_order().into_iter();
        let mut running = FuturesUnordered::new();
        let mut failure = None;
        loop {
            let next = waiting.next();
            if let Some(node) = next {
                running.push(async move { (node, self.attempt(node, path).await) });
            }
            let finished = match waiting.len() {
                0 => running.next().await,
                _ => timeout(PATIENCE, running.next()).await.unwrap_or_default(),
            };
            match (finished, next) {
                (Some((node, Ok(answer))), _) => {
                    self.nodes.answered(node);
                    return Ok(answer);
                }
                (Some((node, Err(failed))), _) if failed.is_about_the_thing() => {
                    self.nodes.answered(node);
                    return Err(failed);
                }
                (Some((node, Err(failed))), _) => {
                    self.nodes.failed(node);
                    if failure.is_none() || !failed.is_refusal() {
                        failure = Some(failed);
                    }
                }
                (None, Some(node)) => self.nodes.failed(node),
                // Nobody is left.
                (None, None) => {
                    let none = || Failed::Late("every API node".to_owned());
                    return Err(failure.unwrap_or_else(none));
                }
            }
        }
    }

    async fn attempt(&self, node: usize, path: &PathAndQuery) -> Result<Answer, Failed> {
        let uri = || self.nodes.url(node).at(path).to_string();
        let ask = async {
            let response = self.send(node, path).await?;
            let status = response.status();
            let body = match Limited::new(response.into_body(), ANSWER).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if !error.is::<LengthLimitError>() => return Err(Failed::Read(uri(), error)),
                Err(_) if status.is_success() => return Err(Failed::TooLarge(uri())),
                // The status says enough.
                Err(_) => Bytes::new(),
            };
            if is_refusal(status) {
                return Err(self.refused(node, path, status, &body));
            }
            if status.is_server_error() {
                return Err(Failed::Status(uri(), status));
            }
            Ok((status, body))
        };
        timeout(ATTEMPT, ask).await.unwrap_or_else(|_| Err(Failed::Late(uri())))
    }

    /// The head of what the node answers. Without a deadline of its own.
    pub(super) async fn send(&self, node: usize, path: &PathAndQuery) -> Result<Response<Incoming>, Failed> {
        let uri = self.nodes.url(node).at(path);
        let mut request = Request::new(Empty::new());
        if self.auth {
            request.headers_mut().insert(AUTH, HeaderValue::from_static("token"));
        }
        *request.uri_mut() = uri.clone();
        self.client.request(request).await.map_err(|error| Failed::Ask(uri.to_string(), error))
    }

    /// What a node's refusal of us is. The operator must do something about it, so its words are logged, once in a while.
    pub(super) fn refused(
        &self,
        node: usize,
        path: &PathAndQuery,
        status: StatusCode,
        body: &[u8],
    ) -> Failed {
        let (url, said) = (self.nodes.url(node), message(body));
        if self.refusals.is_due() {
            tracing::warn!(%url, %status, said, "an API node refuses to tell this node anything");
        }
        Failed::Refused(url.at(path).to_string(), status, said)
    }
}
