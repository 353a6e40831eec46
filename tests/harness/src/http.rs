//! Talking to a cluster as its users do: the management API, and calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::Error;

/// Long enough for a cold start on a busy machine; a test that waits longer has found a hang.
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);

/// An app's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId(pub String);

/// A function's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionId(pub String);

/// The management API of an API node or a full node.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    client: Client,
    token: Option<String>,
}

/// Where calls go: an LB or a full node.
#[derive(Debug, Clone)]
pub struct Front {
    base: String,
    client: Client,
    token: Option<String>,
}

/// An answer that has been read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What a function is created with besides its name and image; zero means the server's default.
#[derive(Debug, Clone, Default)]
pub struct FunctionSettings {
    /// Memory in MB.
    pub memory_mb: u64,
    /// How long a call may take, in seconds.
    pub timeout_seconds: u64,
    /// How long an idle instance is kept, in seconds.
    pub idle_timeout_seconds: u64,
    /// The function's configuration: its environment.
    pub config: Vec<(String, String)>,
}

/// A client that trusts the certificates in `authority`, or speaks in clear only.
///
/// # Panics
/// When that file cannot be used: nothing could be asked.
pub(crate) fn client(authority: Option<&Path>, timeout: Duration) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = authority {
        let found =
            CertificateDer::pem_file_iter(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let certificates = found.filter_map(Result::ok).collect::<Vec<_>>();
        roots.add_parsable_certificates(certificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| panic!("set up TLS: {error}"))
        .with_root_certificates(roots)
        .with_no_client_auth();
    let built = Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(timeout)
        .connect_timeout(Duration::from_secs(5))
        .build();
    built.unwrap_or_else(|error| panic!("make an HTTP client: {error}"))
}

impl Api {
    /// The API at a base address, `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self::of(base, None)
    }

    /// The same, trusting the certificates in a file.
    pub(crate) fn of(base: impl Into<String>, authority: Option<PathBuf>) -> Self {
        Self { base: base.into(), client: client(authority.as_deref(), ANSWERS_WITHIN), token: None }
    }

    /// The same, as the holder of a token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The base address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Creates an app with configuration.
    ///
    /// # Errors
    /// [`Error::Refused`] when the API says no.
    pub async fn create_app(&self, name: &str, config: &[(&str, &str)]) -> Result<AppId, Error> {
        let app = json!({ "name": name, "config": object(config.iter().copied()) });
        Ok(AppId(self.create("/v2/apps", &app).await?))
    }

    /// Creates a function with the server's defaults.
    ///
    /// # Errors
    /// [`Error::Refused`] when the API says no.
    pub async fn create_function(&self, app: &AppId, name: &str, image: &str) -> Result<FunctionId, Error> {
        self.create_function_with(app, name, image, &FunctionSettings::default()).await
    }

    /// Creates a function.
    ///
    /// # Errors
    /// [`Error::Refused`] when the API says no.
    pub async fn create_function_with(
        &self,
        app: &AppId,
        name: &str,
        image: &str,
        settings: &FunctionSettings,
    ) -> Result<FunctionId, Error> {
        let config = settings.config.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let function = json!({
            "name": name,
            "app_id": app.0,
            "image": image,
            "memory": settings.memory_mb,
            "timeout": settings.timeout_seconds,
            "idle_timeout": settings.idle_timeout_seconds,
            "config": object(config),
        });
        Ok(FunctionId(self.create("/v2/fns", &function).await?))
    }

    /// Creates an HTTP trigger: `/t/<app><source>` calls the function.
    ///
    /// # Errors
    /// [`Error::Refused`] when the API says no.
    pub async fn create_trigger(
        &self,
        app: &AppId,
        function: &FunctionId,
        name: &str,
        source: &str,
    ) -> Result<String, Error> {
        let trigger =
            json!({ "name": name, "app_id": app.0, "fn_id": function.0, "type": "http", "source": source });
        self.create("/v2/triggers", &trigger).await
    }

    /// Deletes an app with all that is in it.
    ///
    /// # Errors
    /// [`Error::Refused`] when the API says no.
    pub async fn delete_app(&self, app: &AppId) -> Result<(), Error> {
        self.send(Method::DELETE, &format!("/v2/apps/{}", app.0), None).await.map(drop)
    }

    /// Deletes a function with its triggers.
    ///
    /// # Errors
    /// [`Error::Refused`] when the API says no.
    pub async fn delete_function(&self, function: &FunctionId) -> Result<(), Error> {
        self.send(Method::DELETE, &format!("/v2/fns/{}", function.0), None).await.map(drop)
    }

    /// Any exchange with the API; the answer must be a 2xx.
    ///
    /// # Errors
    /// [`Error::Refused`] with the body when it is not.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let doing = format!("{method} {}{path}", self.base);
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = exchange(request, &doing).await?;
        if !(200..300).contains(&answer.status) {
            return Err(Error::Refused { doing, status: answer.status, body: answer.text() });
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    /// A request of one's own to this node.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Any exchange, whatever its status.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let doing = format!("{method} {}{path}", self.base);
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        exchange(request, &doing).await
    }

    async fn create(&self, path: &str, body: &Value) -> Result<String, Error> {
        let made = self.send(Method::POST, path, Some(body)).await?;
        let no_id = || Error::Refused {
            doing: format!("POST {}{path}", self.base),
            status: 200,
            body: format!("an answer without an id: {made}"),
        };
        made["id"].as_str().map(str::to_owned).ok_or_else(no_id)
    }
}

impl Front {
    /// The LB or full node at a base address, `http://127.0.0.1:8081`.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self::of(base, None)
    }

    /// The same, trusting the certificates in a file.
    pub(crate) fn of(base: impl Into<String>, authority: Option<PathBuf>) -> Self {
        Self { base: base.into(), client: client(authority.as_deref(), ANSWERS_WITHIN), token: None }
    }

    /// The same, as the holder of a token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The base address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Calls a function and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn invoke(
        &self,
        function: &FunctionId,
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, Error> {
        self.invoke_with(function, &[], body).await
    }

    /// Calls a function with headers and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn invoke_with(
        &self,
        function: &FunctionId,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, Error> {
        let path = format!("/invoke/{}", function.0);
        let mut request = self.request(Method::POST, &path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        exchange(request.body(body), &format!("POST {}{path}", self.base)).await
    }

    /// Calls a function by its trigger with POST.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn trigger(
        &self,
        app: &str,
        source: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, Error> {
        let path = format!("/t/{app}{source}");
        let request = self.request(Method::POST, &path).body(body);
        exchange(request, &format!("POST {}{path}", self.base)).await
    }

    /// A request of one's own to this node: other methods, headers, streamed bodies.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The `message` of an error answer; empty when the body is not one.
    #[must_use]
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.unwrap_or_default().into_owned()
    }
}

fn object<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

async fn exchange(request: RequestBuilder, doing: &str) -> Result<Answer, Error> {
    let failed = |source| Error::Http { doing: doing.to_owned(), source };
    let response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(failed)?.to_vec();
    Ok(Answer { status, headers, body })
}
