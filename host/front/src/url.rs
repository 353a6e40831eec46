//! Parts of the URL of a request.

use crate::Peer;
use http::request::Parts;
use http::{Uri, header};

/// The n-th segment of a path, unescaped; `/v2/apps` has segments 0 to 2, the first one empty.
pub(crate) fn segment(uri: &Uri, n: usize) -> String {
    unescape(uri.path().split('/').nth(n).unwrap_or_default(), false)
}

/// The first value of a query parameter that is not empty.
pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values =
        pairs.filter(|(key, _)| unescape(key, true) == name).map(|(_, value)| unescape(value, true));
    values.next().filter(|value| !value.is_empty())
}

/// Undoes percent-escaping; what is no escape stays as it is, and bytes that are no text become U+FFFD, which no name
/// in the catalogue equals.
pub(crate) fn unescape(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = if byte == b'%' { hex(bytes, at + 1) } else { None };
        match (escaped, byte) {
            (Some(value), _) => {
                plain.push(value);
                at += 2;
            }
            (None, b'+') if plus_is_space => plain.push(b' '),
            (None, other) => plain.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

/// The scheme and host that the request was sent to.
pub(crate) fn origin(request: &Parts) -> String {
    let host = match request.uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => request.headers.get(header::HOST).map_or(&b""[..], |host| host.as_bytes()),
    };
    let scheme = if Peer::of(&request.extensions).is_some() { "https" } else { "http" };
    format!("{scheme}://{}", String::from_utf8_lossy(host))
}

/// The absolute URL of a request.
pub(crate) fn absolute(request: &Parts) -> String {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    origin(request) + path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_and_queries_are_unescaped() {
        let uri: Uri = "/v2/fns/a%2Fb?name=x%26y+z&name=2&empty=&a%70p=1".parse().unwrap();
        assert_eq!(segment(&uri, 3), "a/b");
        assert_eq!(segment(&uri, 9), "");
        assert_eq!(query(&uri, "name").as_deref(), Some("x&y z"));
        assert_eq!(query(&uri, "app").as_deref(), Some("1"));
        assert_eq!(query(&uri, "empty"), None);
        assert_eq!(query(&uri, "other"), None);
    }

    #[test]
    fn an_address_is_https_where_the_connection_is() {
        let mut parts = http::Request::get("/t/a?q").header("host", "h:1").body(()).unwrap().into_parts().0;
        assert_eq!(absolute(&parts), "http://h:1/t/a?q");
        parts.extensions.insert(Peer::Anonymous);
        assert_eq!(absolute(&parts), "https://h:1/t/a?q");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape("100%", false), "100%");
        assert_eq!(unescape("%zz+", false), "%zz+");
        assert_eq!(unescape("%ff", false), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_text_survives_escaping(text: String) {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(unescape(&escaped, true), text);
        }
    }
}
