//! Where API nodes are, and the paths that they are asked for.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The longest path that is asked for, in bytes. The longest source that can be had, percent-encoded, is less than half
/// of it; what is longer does not exist, and servers refuse it without looking.
const PATH: usize = 16 * 1024;

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

    /// Reads one or more of them with commas between; one that is there twice counts once. Whether they can be used
    /// together [`super::ApiClient::new`] says.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let mut urls = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let url = Self::parse(part)?;
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        if urls.is_empty() { Err("it names no API node".to_owned()) } else { Ok(urls) }
    }

    /// Whether it is asked over TLS, with the node's own certificate.
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The address of `path` there.
    pub(super) fn at(&self, path: &PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.clone());
        // All three parts are there, which is all that is checked.
        Uri::from_parts(parts).unwrap_or_default()
    }
}

impl std::fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// `None` for a path that no request can carry: nothing can be there.
pub(super) fn path(text: &str) -> Option<PathAndQuery> {
    if text.len() > PATH {
        return None;
    }
    PathAndQuery::try_from(text).ok()
}

pub(super) fn segment(text: &str) -> String {
    encode(text, false)
}

/// Percent-encodes everything but RFC 3986's unreserved characters, and slashes where they separate.
pub(super) fn encode(text: &str, keep_slashes: bool) -> String {
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
    fn a_list_of_urls_has_commas_between_them() {
        let read = |text| {
            let urls = ApiUrl::parse_list(text)?;
            Ok::<_, String>(urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(read("http://a:1").unwrap(), "http://a:1");
        assert_eq!(read(" http://a:1 , http://b:2/,,http://a:1/v2").unwrap(), "http://a:1 http://b:2");
        assert!(read("http://a:1,b").unwrap_err().contains("'b'"));
        assert!(read(" , ").is_err());
    }

    #[test]
    fn a_source_keeps_its_slashes_and_nothing_else() {
        assert_eq!(encode("/a/b?c#d é%", true), "/a/b%3Fc%23d%20%C3%A9%25");
        assert_eq!(segment("a/b"), "a%2Fb");
    }

    proptest! {
        #[test]
        fn any_text_makes_a_valid_path(text in ".*") {
            let url = ApiUrl::parse("https://h:1").unwrap();
            let paths = [format!("/x/{}", encode(&text, true)), format!("/x?name={}", segment(&text))];
            for text in paths {
                let path = path(&text);
                prop_assert!(path.is_some());
                prop_assert_eq!(url.at(&path.unwrap()).to_string(), format!("https://h:1{text}"));
            }
        }
    }
}
