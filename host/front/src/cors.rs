//! Which pages of other origins may use a node from a browser (CORS).

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use std::sync::Arc;

/// Fn's methods, whatever the route.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PUT,HEAD,DELETE");
/// How long a browser may remember an answer, in seconds: Fn's 12 hours.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("43200");
/// The headers that Fn allows where none are named.
const DEFAULT_HEADERS: &str = "Origin,Content-Length,Content-Type";
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Who may send what from a page. Cookies are never allowed; tokens are, where `Authorization` is among the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    headers: HeaderValue,
}

/// The origins of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every page.
    Any,
    /// Pages from these: scheme, host, and port where it is not the scheme's.
    Listed(Vec<HeaderValue>),
}

/// A list of origins or headers that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// Not an origin.
    #[error(
        "{0:?} is no origin: write * or a list of origins such as https://example.com,http://localhost:3000"
    )]
    Origin(String),
    /// Not the name of a header.
    #[error("{0:?} is no header's name: write a list of names such as Authorization,Content-Type")]
    Header(String),
}

impl Cors {
    /// Reads lists as `FN_API_CORS_ORIGINS` and `FN_API_CORS_HEADERS` hold them, parts separated by commas. `None` of
    /// headers allows those that Fn allows then.
    pub fn new(origins: &str, headers: Option<&str>) -> Result<Self, CorsError> {
        let names: Vec<_> =
            parts(headers.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_HEADERS)).collect();
        if let Some(bad) = names.iter().find(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            return Err(CorsError::Header((*bad).to_owned()));
        }
        let joined = names.join(",");
        let headers = HeaderValue::from_str(&joined).map_err(|_| CorsError::Header(joined))?;
        Ok(Self { origins: Origins::parse(origins)?, headers })
    }
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

impl Origins {
    fn parse(list: &str) -> Result<Self, CorsError> {
        if parts(list).any(|origin| origin == "*") {
            return Ok(Self::Any);
        }
        let listed = parts(list).map(origin).collect::<Result<Vec<_>, _>>()?;
        if listed.is_empty() { Err(CorsError::Origin(list.to_owned())) } else { Ok(Self::Listed(listed)) }
    }

    /// What a page of this origin is told, if it may.
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(ANY),
            Self::Listed(listed) => listed.iter().find(|known| *known == origin).cloned(),
        }
    }
}

/// An origin as browsers write it.
fn origin(text: &str) -> Result<HeaderValue, CorsError> {
    let wrong = || CorsError::Origin(text.to_owned());
    let lower = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let uri: Uri = lower.parse().map_err(|_| wrong())?;
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !lower.ends_with('/');
    if uri.scheme().is_none() || uri.authority().is_none() || !is_bare || lower.contains('@') {
        return Err(wrong());
    }
    HeaderValue::from_str(&lower).map_err(|_| wrong())
}

/// Answers a browser that asks whether a page may send a request, and tells the page's browser that it may read the
/// response to one that was sent.
pub(crate) async fn share(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return vary(next.run(request).await, &cors);
    };
    let allowed = cors.origins.allow(&origin);
    if is_preflight(request.method(), request.headers()) {
        return preflight(&cors, allowed);
    }
    let mut response = next.run(request).await;
    // A function that answers for itself may have said it already; twice is as good as never.
    if let Some(allowed) = allowed
        && !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
    vary(response, &cors)
}

fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(cors: &Cors, allowed: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    for name in [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS] {
        headers.append(VARY, HeaderValue::from(name));
    }
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
    }
    response
}

/// Where the answer depends on the origin, caches are told so.
fn vary(mut response: Response, cors: &Cors) -> Response {
    match cors.origins {
        Origins::Any => {}
        Origins::Listed(_) => {
            response.headers_mut().append(VARY, HeaderValue::from(ORIGIN));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_fn_reads_them() {
        let read = |origins: &str| Cors::new(origins, None).map(|cors| cors.origins);
        let listed = |all: &[&'static str]| {
            Ok(Origins::Listed(all.iter().map(|origin| HeaderValue::from_static(origin)).collect()))
        };
        assert_eq!(read("*"), Ok(Origins::Any));
        assert_eq!(read(" https://A.example , http://b:81/"), listed(&["https://a.example", "http://b:81"]));
        assert_eq!(
            Cors::new("*", Some("X-A, authorization")).map(|cors| cors.headers),
            Ok(HeaderValue::from_static("X-A,authorization"))
        );
        for bad in [
            "",
            ",",
            "example.com",
            "https://a/b",
            "https://",
            "null",
            "https://a?b",
            "https://u@a",
            "https://a//",
        ] {
            assert!(matches!(read(bad), Err(CorsError::Origin(_))), "{bad}");
        }
        assert_eq!(Cors::new("*", Some("a b")), Err(CorsError::Header("a b".into())));
    }
}
