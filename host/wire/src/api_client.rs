//! The catalogue of API nodes, asked over HTTP: the `Definitions`, `Tokens` and `Changes` of nodes that have none.
//!
//! Any API node of a platform answers for all of them: one after another is asked until one does. Nothing is cached
//! here. `Kind::Unavailable` means that nobody knows, so that whoever caches may serve what it has; `Kind::NotFound` is
//! an API node's word. `Kind::Internal` means that there was an answer and that it is of no use, which says nothing about
//! the nodes: what is cached may be wrong then. `Kind::Busy` means that a token was not asked for, because too many are.

mod ask;
mod changes;
mod lines;
mod nodes;
mod random;
mod seldom;
mod shapes;
mod socket;
mod url;

pub use url::ApiUrl;

use ask::{Answer, DEADLINE, Failed};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::StatusCode;
use http::uri::PathAndQuery;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use nodes::Nodes;
use remuda_core::access::Token;
use remuda_core::catalog::MAX_NAME_BYTES;
use remuda_core::port::{Changes, Definitions, News, Tokens};
use remuda_core::{App, AppId, Fault, FnId, Function, Kind, TokenId, Trigger};
use rustls::ClientConfig;
use seldom::Seldom;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{encode, segment};

/// Connections to each node kept open while nothing is asked, and for how long.
const IDLE: usize = 32;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Questions about definitions that may be under way at once: each may need a connection of its own. The others wait.
const QUESTIONS: usize = 256;
/// The same for tokens, for which nobody waits. Anyone can make up tokens, which must not keep definitions from anybody.
const TOKEN_QUESTIONS: usize = 32;

/// Asks API nodes. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct ApiClient {
    shared: Arc<Shared>,
}

struct Shared {
    nodes: Nodes,
    client: Client<socket::Dial, Empty<Bytes>>,
    /// Whether the nodes are told that this one means to be known by its certificate.
    auth: bool,
    questions: Semaphore,
    token_questions: Semaphore,
    refusals: Seldom,
}

impl ApiClient {
    /// A client of the API nodes at `urls`, of which any one is asked first, so that those who have the same list share
    /// the nodes out among them; `tls` as [`crate::tls::Identity::http_client_config`] gives it. With `auth` the API
    /// nodes want to know who asks, which a node proves with its certificate. The error is a sentence that says what to
    /// change.
    pub fn new(mut urls: Vec<ApiUrl>, tls: Option<Arc<ClientConfig>>, auth: bool) -> Result<Self, String> {
        let first = random::below(urls.len());
        urls.rotate_left(first);
        Self::in_order(urls, tls, auth)
    }

    /// The same, with the first of `urls` asked first.
    pub fn in_order(urls: Vec<ApiUrl>, tls: Option<Arc<ClientConfig>>, auth: bool) -> Result<Self, String> {
        check(&urls, tls.is_some(), auth)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(socket::Dial::new(tls));
        let shared = Shared {
            nodes: Nodes::new(urls),
            client,
            auth,
            questions: Semaphore::new(QUESTIONS),
            token_questions: Semaphore::new(TOKEN_QUESTIONS),
            refusals: Seldom::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The definition at `path`; `missing` is the message when the API node says that nothing is.
    async fn get<T: DeserializeOwned>(&self, path: &str, missing: &'static str) -> Result<T, Fault> {
        self.get_after(self.shared.questions.acquire(), path, missing).await
    }

    /// The same for anything, asked for once there is a `place` for the question.
    async fn get_after<T: DeserializeOwned>(
        &self,
        place: impl Future,
        path: &str,
        missing: &'static str,
    ) -> Result<T, Fault> {
        let path = url::path(path).ok_or_else(|| Fault::not_found(missing))?;
        let (status, body) = self.ask(place, &path).await?;
        if status == StatusCode::NOT_FOUND {
            return Err(Fault::not_found(shapes::not_found(&body).unwrap_or(missing)));
        }
        if status.is_client_error() {
            // About what was asked, and not about the API node, which answers.
            let kind = Kind::Foreign(status.as_u16());
            return Err(
                Fault::user(kind, format!("the API node answered {status}")).caused_by(path.to_string())
            );
        }
        if status != StatusCode::OK {
            return Err(Fault::internal(format!("{path} was answered {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| unreadable(&path, &error))
    }

    /// The answer of an API node that answers. That all refuse to tell us anything is as if none did: what is known
    /// goes on to serve.
    async fn ask(&self, place: impl Future, path: &PathAndQuery) -> Result<Answer, Fault> {
        let asked = timeout(DEADLINE, async {
            let _place = place.await;
            self.shared.ask(path).await
        });
        let away = |message| Fault::service(Kind::Unavailable, message);
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failed @ Failed::Refused(_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _))) => {
                Err(away("the API node does not tell this node anything").caused_by(failed))
            }
            // Not to be asked like this, but perhaps like that: no reason to take it for away.
            Ok(Err(failed @ Failed::Refused(..))) => {
                let fault = Fault::service(Kind::Busy, "the API node does not tell this node anything");
                Err(fault.caused_by(failed))
            }
            // About what was asked for: the API node is there.
            Ok(Err(failed @ Failed::TooLarge(..))) => Err(Fault::internal(failed)),
            Ok(Err(failed)) => Err(away("the API node cannot be reached").caused_by(failed)),
            Err(_) => Err(away("the API node cannot be reached")
                .caused_by(format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }
}

fn unreadable(path: &impl std::fmt::Display, error: &serde_json::Error) -> Fault {
    Fault::internal(format!("{path} was answered what cannot be read: {error}"))
}

/// Whether these can be asked; the error is a sentence that says what to change.
fn check(urls: &[ApiUrl], has_identity: bool, auth: bool) -> Result<(), String> {
    let first = urls.first().ok_or("no API node is named: name at least one")?;
    if let Some(other) = urls.iter().find(|other| other.is_https() != first.is_https()) {
        return Err(format!("{first} and {other} mix https and http: use one of them for all API nodes"));
    }
    if auth && !first.is_https() {
        return Err(format!(
            "{first} is http: with FN_AUTH=token a load balancer reads the API by its node certificate: use https"
        ));
    }
    if first.is_https() && !has_identity {
        return Err(format!(
            "{first} is asked over TLS: the node needs a certificate, a key and an authority"
        ));
    }
    Ok(())
}

#[async_trait]
impl Definitions for ApiClient {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        let path = format!("/v2/apps/{}", segment(id.as_str()));
        let app: shapes::AppShape = self.get(&path, shapes::NO_APP).await?;
        Ok(Arc::new(app.into()))
    }

    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            // An empty filter is none: every app would be the answer. One that is too long would be refused.
            return Err(Fault::not_found(shapes::NO_APP));
        }
        let path = format!("/v2/apps?name={}", segment(name));
        let list: shapes::AppList = self.get(&path, shapes::NO_APP).await?;
        let mut failure = None;
        for item in &list.items {
            match serde_json::from_str::<shapes::AppShape>(item.get()).map(App::from) {
                Ok(app) if app.name == name => return Ok(Arc::new(app)),
                Ok(_) => {}
                Err(error) => failure = Some(unreadable(&path, &error)),
            }
        }
        Err(failure.unwrap_or_else(|| Fault::not_found(shapes::NO_APP)))
    }

    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        let path = format!("/v2/fns/{}", segment(id.as_str()));
        let function: shapes::FnShape = self.get(&path, shapes::NO_FN).await?;
        Ok(Arc::new(function.into()))
    }

    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        // The source keeps its leading slash, so that two follow each other.
        let app = segment(app.as_str());
        let path = format!("/v2/runner/apps/{app}/triggerBySource/http/{}", encode(source, true));
        let trigger: shapes::TriggerShape = self.get(&path, shapes::NO_TRIGGER).await?;
        Ok(Arc::new(trigger.into()))
    }
}

#[async_trait]
impl Tokens for ApiClient {
    async fn token(&self, id: &TokenId) -> Result<Arc<Token>, Fault> {
        let Ok(place) = self.shared.token_questions.try_acquire() else {
            let text = "too many tokens are being looked up: try again in a moment";
            return Err(Fault::service(Kind::Busy, text));
        };
        let path = format!("/v2/runner/tokens/{}", segment(id.as_str()));
        let token: shapes::TokenShape =
            self.get_after(std::future::ready(place), &path, shapes::NO_TOKEN).await?;
        let token: Token = token.try_into().map_err(Fault::internal)?;
        if token.id != *id {
            return Err(Fault::internal(format!("{path} was answered another token")));
        }
        Ok(Arc::new(token))
    }
}

impl Changes for ApiClient {
    fn watch(&self) -> BoxStream<'static, News> {
        changes::watch(Arc::clone(&self.shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_asked_together_or_in_clear_is_refused_with_a_sentence() {
        let refused = |urls: &str, auth| {
            let urls = ApiUrl::parse_list(urls).unwrap();
            (check(&urls, true, auth).err().unwrap_or_default(), check(&urls, false, auth).is_ok())
        };
        assert_eq!(refused("http://a,http://b", false), (String::new(), true));
        assert_eq!(refused("https://a,https://b", true), (String::new(), false));
        assert!(refused("https://a,http://b", false).0.contains("mix https and http"));
        let (sentence, _) = refused("http://a", true);
        assert!(sentence.ends_with("use https") && sentence.contains("FN_AUTH=token"), "{sentence}");
        assert!(ApiClient::new(Vec::new(), None, false).is_err());
    }
}
