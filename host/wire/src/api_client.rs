//! The catalogue of API nodes, asked over HTTP: the `Definitions`, `Tokens` and `Changes` of nodes that have none.
//!
//! Any API node of a platform answers for all of them: one after another is asked until one does. Nothing is cached
//! here. `Kind::Unavailable` means that nobody knows, so that whoever caches may serve what it has; `Kind::NotFound` is
//! an API node's word.

mod ask;
mod changes;
mod lines;
mod nodes;
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
/// Questions that may be under way at once: each may need a connection of its own. The others wait.
const QUESTIONS: usize = 256;

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
    refusals: Seldom,
}

impl ApiClient {
    /// A client of the API nodes at `urls`, of which the first is asked first; `tls` as
    /// [`crate::tls::Identity::http_client_config`] gives it. With `auth` the API nodes want to know who asks, which a
    /// node proves with its certificate. The error is a sentence that says what to change.
    pub fn new(urls: Vec<ApiUrl>, tls: Option<Arc<ClientConfig>>, auth: bool) -> Result<Self, String> {
        check(&urls, tls.is_some(), auth)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(socket::Dial::new(tls));
        let (nodes, questions) = (Nodes::new(urls), Semaphore::new(QUESTIONS));
        let shared = Shared { nodes, client, auth, questions, refusals: Seldom::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What is at `path`; `missing` is the message when the API node says that nothing is.
    async fn get<T: DeserializeOwned>(&self, path: &str, missing: &'static str) -> Result<T, Fault> {
        let path = url::path(path).ok_or_else(|| Fault::not_found(missing))?;
        let (status, body) = self.ask(&path).await?;
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
        serde_json::from_slice(&body)
            .map_err(|error| Fault::internal(format!("{path} was answered what cannot be read: {error}")))
    }

    /// The answer of an API node that answers. That all refuse to tell us anything is as if none did: what is known
    /// goes on to serve.
    async fn ask(&self, path: &PathAndQuery) -> Result<Answer, Fault> {
        let asked = timeout(DEADLINE, async {
            // It is never closed.
            let _place = self.shared.questions.acquire().await;
            self.shared.ask(path).await
        });
        let away = |message| Fault::service(Kind::Unavailable, message);
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failed @ Failed::Refused(..))) => {
                Err(away("the API node does not tell this node anything").caused_by(failed))
            }
            Ok(Err(failed)) => Err(away("the API node cannot be reached").caused_by(failed)),
            Err(_) => Err(away("the API node cannot be reached")
                .caused_by(format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }
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
        if name.is_empty() {
            // An empty filter is none: every app would be the answer.
            return Err(Fault::not_found(shapes::NO_APP));
        }
        let path = format!("/v2/apps?name={}", segment(name));
        let list: shapes::AppList = self.get(&path, shapes::NO_APP).await?;
        match list.items.into_iter().map(App::from).find(|app| app.name == name) {
            Some(app) => Ok(Arc::new(app)),
            None => Err(Fault::not_found(shapes::NO_APP)),
        }
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
        let path = format!("/v2/runner/tokens/{}", segment(id.as_str()));
        let token: shapes::TokenShape = self.get(&path, shapes::NO_TOKEN).await?;
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
