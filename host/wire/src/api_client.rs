//! The catalogue of an API node, asked over HTTP: the `Definitions` of nodes that have none.
//!
//! Nothing is cached here. `Kind::Unavailable` means that nobody knows, so that whoever caches may serve what it
//! has; `Kind::NotFound` is the API node's word.

mod shapes;
mod socket;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use remuda_core::port::Definitions;
use remuda_core::{App, AppId, Fault, FnId, Function, Kind, Trigger};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What one question may take, with all its attempts.
const DEADLINE: Duration = Duration::from_secs(5);
/// What one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pauses before the attempts after the first, in milliseconds.
const PAUSES_MS: [u64; 2] = [30, 120];
/// The largest answer, in bytes. One app, function or trigger is a few kilobytes.
const ANSWER: usize = 1 << 20;
/// The longest path that is asked for, in bytes. The longest source that can be had, percent-encoded, is less than half
/// of it; what is longer does not exist, and servers refuse it without looking.
const PATH: usize = 16 * 1024;
/// Connections kept open while nothing is asked, and for how long.
const IDLE: usize = 8;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where an API node is: scheme and host of a URL. Its path is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrl {
    scheme: Scheme,
    authority: Authority,
}

impl ApiUrl {
    /// Reads `http://host:port` or `https://host:port`. The error is a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.trim().parse().map_err(|error| format!("'{text}' is not a URL: {error}"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let (Some(scheme), Some(authority)) = (scheme, parts.authority) else {
            return Err(format!("'{text}' is not http://host:port or https://host:port"));
        };
        if authority.as_str().contains('@') {
            return Err("the URL carries a user name, which is not supported".to_owned());
        }
        Ok(Self { scheme, authority })
    }

    /// Whether it is asked over TLS, with the node's own certificate.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

impl std::fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Asks an API node. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct ApiClient {
    url: ApiUrl,
    client: Client<socket::Dial, Empty<Bytes>>,
}

/// Why an attempt gave no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("ask {0}")]
    Ask(String, #[source] hyper_util::client::legacy::Error),
    #[error("read the answer of {0}")]
    Read(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{0} did not answer within {ATTEMPT:?}")]
    Late(String),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
}

impl ApiClient {
    /// A client of the API node at `url`; `tls` as [`crate::tls::Identity::http_client_config`] gives it. The error,
    /// a sentence, is that of an https URL without an identity.
    pub fn new(url: ApiUrl, tls: Option<Arc<ClientConfig>>) -> Result<Self, String> {
        if url.is_https() && tls.is_none() {
            return Err(format!(
                "{url} is asked over TLS: the node needs a certificate, a key and an authority"
            ));
        }
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(socket::Dial::new(tls));
        Ok(Self { url, client })
    }

    /// What is at `path`; `missing` is the message when the API node says that nothing is.
    async fn get<T: DeserializeOwned>(&self, path: &str, missing: &'static str) -> Result<T, Fault> {
        let uri = self.uri(path).ok_or_else(|| Fault::not_found(missing))?;
        let answer = timeout(DEADLINE, self.attempts(&uri)).await;
        let (status, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(failed)) => return Err(self.away().caused_by(failed)),
            Err(_) => {
                return Err(self.away().caused_by(format!("no answer within {} s", DEADLINE.as_secs())));
            }
        };
        if status == StatusCode::NOT_FOUND {
            return Err(Fault::not_found(shapes::not_found(&body).unwrap_or(missing)));
        }
        if status.is_client_error() {
            // About what was asked, and not about the API node, which answers.
            let kind = Kind::Foreign(status.as_u16());
            return Err(
                Fault::user(kind, format!("the API node answered {status}")).caused_by(uri.to_string())
            );
        }
        if status != StatusCode::OK {
            return Err(Fault::internal(format!("{uri} answered {status}")));
        }
        serde_json::from_slice(&body)
            .map_err(|error| Fault::internal(format!("{uri} answered what cannot be read: {error}")))
    }

    /// `None` for a path that no request can carry: nothing can be there.
    fn uri(&self, path: &str) -> Option<Uri> {
        if path.len() > PATH {
            return None;
        }
        let path = PathAndQuery::try_from(path).ok()?;
        let uri = Uri::builder()
            .scheme(self.url.scheme.clone())
            .authority(self.url.authority.clone())
            .path_and_query(path);
        uri.build().ok()
    }

    /// Asks until there is an answer that is not the API node's own trouble, a few times.
    async fn attempts(&self, uri: &Uri) -> Result<(StatusCode, Bytes), Failed> {
        for pause in PAUSES_MS {
            match self.attempt(uri).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => tracing::debug!(error = %crate::connection::chain(&failed), "asking again"),
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.attempt(uri).await
    }

    async fn attempt(&self, uri: &Uri) -> Result<(StatusCode, Bytes), Failed> {
        let ask = async {
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = uri.clone();
            let response =
                self.client.request(request).await.map_err(|error| Failed::Ask(uri.to_string(), error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| Failed::Read(uri.to_string(), error))?.to_bytes();
            if status.is_server_error() {
                return Err(Failed::Status(uri.to_string(), status));
            }
            Ok((status, body))
        };
        timeout(ATTEMPT, ask).await.unwrap_or_else(|_| Err(Failed::Late(uri.to_string())))
    }

    fn away(&self) -> Fault {
        Fault::service(Kind::Unavailable, "the API node cannot be reached")
    }
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

fn segment(text: &str) -> String {
    encode(text, false)
}

/// Percent-encodes everything but RFC 3986's unreserved characters, and slashes where they separate.
fn encode(text: &str, keep_slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            b'/' if keep_slashes => encoded.push('/'),
            other => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(other >> 4)]));
                encoded.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_is_reduced_to_scheme_and_host() {
        for (text, read) in [
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://api.example/v2/ignored?x=1", "https://api.example"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(ApiUrl::parse(text).unwrap().to_string(), read);
        }
        for bad in ["", "localhost:8080", "ftp://h", "/path", "http://", "http://u:p@h"] {
            assert!(ApiUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn https_needs_an_identity() {
        let url = ApiUrl::parse("https://api:8080").unwrap();
        assert!(ApiClient::new(url, None).is_err());
    }

    #[test]
    fn a_source_keeps_its_slashes_and_nothing_else() {
        assert_eq!(encode("/a/b?c#d é%", true), "/a/b%3Fc%23d%20%C3%A9%25");
        assert_eq!(segment("a/b"), "a%2Fb");
    }

    proptest! {
        #[test]
        fn any_text_makes_a_valid_path(text in ".*") {
            let paths = [format!("/x/{}", encode(&text, true)), format!("/x?name={}", segment(&text))];
            prop_assert!(paths.into_iter().all(|path| PathAndQuery::try_from(path).is_ok()));
        }
    }
}
