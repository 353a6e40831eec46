//! The two ways in, and what each does with headers.

use crate::url::unescape;
use http::header::{self, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use remuda_core::call::strip_hop_by_hop;
use remuda_core::{Fault, Kind};

/// What a trigger puts before the names of a client's headers, and a function before those of its own.
const PREFIX: &str = "fn-http-h-";
const METHOD: HeaderName = HeaderName::from_static("fn-http-method");
const REQUEST_URL: HeaderName = HeaderName::from_static("fn-http-request-url");
const INTENT: HeaderName = HeaderName::from_static("fn-intent");
const HTTP_REQUEST: HeaderValue = HeaderValue::from_static("httprequest");
const HTTP_STATUS: HeaderName = HeaderName::from_static("fn-http-status");
const CALL_ID: HeaderName = super::CALL_ID;

/// How a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// `POST /invoke/<fn id>`: headers pass as they are, and success is 200.
    Direct,
    /// `/t/<app><source>`: the function sees the HTTP request, and sets the status and headers of the response.
    Trigger,
}

/// The app's name and the trigger's source in `/t/<app><source>`; an app alone is its source `/`.
pub(super) fn app_and_source(path: &str) -> (String, String) {
    let rest = path.strip_prefix("/t/").unwrap_or(path);
    match rest.find('/') {
        Some(slash) => (unescape(&rest[..slash], false), unescape(&rest[slash..], false)),
        None => (unescape(rest, false), "/".to_owned()),
    }
}

impl Edge {
    /// What the function is given of a request's headers.
    pub(super) fn to_function(
        self,
        mut headers: HeaderMap,
        method: &Method,
        url: &str,
    ) -> Result<HeaderMap, Fault> {
        strip_hop_by_hop(&mut headers);
        headers.remove(header::HOST);
        match self {
            Edge::Direct => {
                // Bodies are sent on in pieces, and a wait for "100 Continue" ended here. The id is ours to give.
                for name in [header::CONTENT_LENGTH, header::EXPECT, CALL_ID] {
                    headers.remove(name);
                }
                Ok(headers)
            }
            Edge::Trigger => prefixed(headers, method, url),
        }
    }

    /// The status and headers of the response to a call that was answered.
    pub(super) fn to_client(
        self,
        status: StatusCode,
        headers: HeaderMap,
    ) -> Result<(StatusCode, HeaderMap), Fault> {
        let (status, mut headers) = match self {
            Edge::Direct => (status, headers),
            Edge::Trigger => (trigger_status(status, &headers)?, unprefixed(headers)),
        };
        strip_hop_by_hop(&mut headers);
        headers.remove(CALL_ID);
        Ok((status, headers))
    }
}

fn prefixed(headers: HeaderMap, method: &Method, url: &str) -> Result<HeaderMap, Fault> {
    let mut renamed = HeaderMap::with_capacity(headers.keys_len() + 3);
    for (name, value) in pairs(headers) {
        if name == header::CONTENT_TYPE {
            renamed.append(name, value);
        } else if let Ok(name) = HeaderName::try_from(format!("{PREFIX}{name}")) {
            renamed.append(name, value);
        }
    }
    let wrong = |_| Fault::invalid("the request's URL cannot be told to the function");
    renamed.insert(METHOD, HeaderValue::from_str(method.as_str()).map_err(wrong)?);
    renamed.insert(REQUEST_URL, HeaderValue::from_bytes(url.as_bytes()).map_err(wrong)?);
    renamed.insert(INTENT, HTTP_REQUEST);
    Ok(renamed)
}

/// Keeps the type, the length, and what the function meant for the client.
fn unprefixed(headers: HeaderMap) -> HeaderMap {
    let mut renamed = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in pairs(headers) {
        if name == header::CONTENT_TYPE || name == header::CONTENT_LENGTH {
            renamed.insert(name, value);
            continue;
        }
        let Some(Ok(name)) = name.as_str().strip_prefix(PREFIX).map(HeaderName::try_from) else { continue };
        if name == header::CONTENT_LENGTH {
            // How long the body is, is said by the message that carries it.
            continue;
        }
        match renamed.entry(name) {
            Entry::Occupied(entry) if entry.key() == header::CONTENT_TYPE => {}
            Entry::Occupied(mut entry) => {
                entry.append(value);
            }
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
    }
    renamed
}

/// A header map as pairs, each with its name.
fn pairs(headers: HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let mut last = None;
    headers.into_iter().filter_map(move |(name, value)| {
        if name.is_some() {
            last = name;
        }
        last.clone().map(|name| (name, value))
    })
}

/// The status that a function means for its HTTP client, if it says one.
pub(super) fn said_status(headers: &HeaderMap) -> Option<i64> {
    headers.get(HTTP_STATUS)?.to_str().ok()?.parse().ok()
}

fn trigger_status(service: StatusCode, headers: &HeaderMap) -> Result<StatusCode, Fault> {
    if service.is_client_error() || service.is_server_error() {
        return Ok(service);
    }
    let said = said_status(headers);
    let Some(code) = said.filter(|code| *code > 0) else { return Ok(StatusCode::OK) };
    let status = u16::try_from(code).ok().filter(|code| *code >= 200);
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    status.ok_or_else(|| Fault::user(Kind::FunctionFailed, "invalid function response"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn the_source_is_what_follows_the_app() {
        for (path, app, source) in [
            ("/t/app", "app", "/"),
            ("/t/app/", "app", "/"),
            ("/t/app/a/b", "app", "/a/b"),
            ("/t/app/a/", "app", "/a/"),
            ("/t/app//a", "app", "//a"),
            ("/t/a%20b/c%2Fd", "a b", "/c/d"),
        ] {
            assert_eq!(app_and_source(path), (app.to_owned(), source.to_owned()), "{path}");
        }
    }

    #[test]
    fn a_function_called_directly_gets_the_headers_as_they_are() {
        let sent = map(&[
            ("x-a", "1"),
            ("x-a", "2"),
            ("fn-http-h-b", "3"),
            ("content-type", "t"),
            ("connection", "x-a"),
            ("te", "gzip"),
            ("host", "h"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
        ]);
        let given = Edge::Direct.to_function(sent, &Method::POST, "http://h/").unwrap();
        assert_eq!(given, map(&[("x-a", "1"), ("x-a", "2"), ("fn-http-h-b", "3"), ("content-type", "t")]));
    }

    #[test]
    fn a_trigger_tells_the_function_the_request_and_nobody_can_pretend_to() {
        let sent = map(&[
            ("x-a", "1"),
            ("x-a", "2"),
            ("content-type", "t"),
            ("content-length", "5"),
            ("fn-intent", "spoof"),
            ("host", "h"),
            ("upgrade", "x"),
            ("te", "trailers"),
        ]);
        let given = Edge::Trigger.to_function(sent, &Method::PUT, "http://h/t/a?q=1").unwrap();
        let expected = map(&[
            ("fn-http-h-x-a", "1"),
            ("fn-http-h-x-a", "2"),
            ("content-type", "t"),
            ("fn-http-h-content-length", "5"),
            ("fn-http-h-fn-intent", "spoof"),
            ("fn-http-h-te", "trailers"),
            ("fn-http-method", "PUT"),
            ("fn-http-request-url", "http://h/t/a?q=1"),
            ("fn-intent", "httprequest"),
        ]);
        assert_eq!(given, expected);
    }

    #[test]
    fn a_trigger_answers_what_the_function_meant_for_the_client() {
        let said = map(&[
            ("content-type", "t"),
            ("fn-http-status", "418"),
            ("fn-http-h-x-b", "1"),
            ("fn-http-h-x-b", "2"),
            ("fn-http-h-", "dropped"),
            ("fn-http-h-connection", "close"),
            ("fn-http-h-content-length", "99"),
            ("fn-http-h-content-type", "other"),
            ("fn-http-h-fn-call-id", "spoof"),
            ("fn-fdk-version", "dropped"),
            ("fn-call-id", "x"),
        ]);
        let (status, headers) = Edge::Trigger.to_client(StatusCode::OK, said).unwrap();
        assert_eq!(status.as_u16(), 418);
        assert_eq!(headers, map(&[("content-type", "t"), ("x-b", "1"), ("x-b", "2")]));
    }

    #[test]
    fn a_status_that_cannot_end_a_response_is_the_functions_failure() {
        for (said, expected) in [
            ("0", Some(200)),
            ("-1", Some(200)),
            ("x", Some(200)),
            ("204", Some(204)),
            ("101", None),
            ("1000", None),
            ("70000", None),
        ] {
            let told = trigger_status(StatusCode::OK, &map(&[("fn-http-status", said)]));
            assert_eq!(told.ok().map(|status| status.as_u16()), expected, "{said}");
        }
        let failed = trigger_status(StatusCode::BAD_GATEWAY, &map(&[("fn-http-status", "200")]));
        assert_eq!(failed.unwrap(), StatusCode::BAD_GATEWAY);
    }

    proptest! {
        #[test]
        fn no_client_header_reaches_a_triggered_function_unprefixed(
            names in proptest::collection::vec("[a-z][a-z-]{0,12}", 0..8),
        ) {
            let sent = names.iter().map(|name| (HeaderName::try_from(name.as_str()).unwrap(), HeaderValue::from_static("v")));
            let given = Edge::Trigger.to_function(sent.collect(), &Method::GET, "http://h/").unwrap();
            let ours = [METHOD, REQUEST_URL, INTENT, header::CONTENT_TYPE];
            prop_assert!(given.keys().all(|name| name.as_str().starts_with(PREFIX) || ours.contains(name)));
        }
    }
}
