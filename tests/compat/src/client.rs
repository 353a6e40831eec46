//! Sending the requests of a scenario as they are written.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A cold start on a busy machine, an image that must be pulled included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// A request with nothing left to fill in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

/// An answer that has been read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A client that follows no redirect, and trusts the certificates of a file or none.
pub(crate) fn client(authority: Option<&Path>) -> Result<Client, String> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = authority {
        let wrong = |error| format!("{}: {error}", path.display());
        let found = CertificateDer::pem_file_iter(path).map_err(wrong)?;
        roots.add_parsable_certificates(found.filter_map(Result::ok));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWERS_WITHIN)
        .connect_timeout(CONNECTS_WITHIN)
        .build()
        .map_err(|error| format!("no HTTP client: {error}"))
}

/// Sends one and reads the answer; a body that is no text has its strange bytes replaced.
pub(crate) async fn send(client: &Client, request: &Request, token: Option<&str>) -> Result<Answer, String> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut sending = client.request(method, &request.url);
    for (name, value) in &request.headers {
        sending = sending.header(name, value);
    }
    let names_someone = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some(token) = token.filter(|_| !names_someone) {
        sending = sending.bearer_auth(token);
    }
    if let Some(body) = &request.body {
        sending = sending.body(body.clone());
    }
    let answer = sending.send().await.map_err(chain)?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.map_err(chain)?;
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// The error with its causes: reqwest's own text leaves them out.
fn chain(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
