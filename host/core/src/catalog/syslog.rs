//! Where logs may be sent.

use crate::Fault;

const SCHEMES: [&str; 5] = ["tcp", "udp", "unix", "unixgram", "tcp+tls"];

/// Says what is wrong with an app's syslog URL, if anything is. Empty is none.
pub(super) fn check(url: &str) -> Result<(), Fault> {
    if url.is_empty() {
        return Ok(());
    }
    why_wrong(url).map_or(Ok(()), |why| Err(Fault::invalid(format!("invalid syslog url: \"{url}\" {why}"))))
}

fn why_wrong(url: &str) -> Option<String> {
    if url.bytes().any(|byte| byte.is_ascii_control()) {
        return Some(format!("parse {url:?}: net/url: invalid control character in URL"));
    }
    let before_path = url.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = match before_path.split_once(':') {
        Some(("", _)) => return Some(format!("parse {url:?}: missing protocol scheme")),
        Some((scheme, _)) if is_scheme(scheme) => scheme.to_ascii_lowercase(),
        Some(_) => return Some(format!("parse {url:?}: first path segment in URL cannot contain colon")),
        None => String::new(),
    };
    if !SCHEMES.contains(&scheme.as_str()) {
        return Some("invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are supported".to_owned());
    }
    if let Some(escape) = bad_escape(url) {
        return Some(format!("parse {url:?}: invalid URL escape {escape:?}"));
    }
    bad_port(url, scheme.len()).map(|port| format!("parse {url:?}: invalid port {port:?} after host"))
}

/// A percent sign with what follows it, where that is no hexadecimal number of two digits.
fn bad_escape(url: &str) -> Option<&str> {
    let is_escape = |at: usize| {
        url.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let at = url.match_indices('%').map(|(at, _)| at).find(|at| !is_escape(*at))?;
    url.get(at..at + 3).or_else(|| url.get(at..))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The port of `scheme://host:port/…` with its colon, when it is not a number.
fn bad_port(url: &str, scheme_length: usize) -> Option<&str> {
    let authority = url.get(scheme_length..)?.strip_prefix("://")?.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after_host = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let rest = host.get(after_host..)?;
    let port = rest.get(rest.rfind(':')?..)?;
    (!port.bytes().skip(1).all(|byte| byte.is_ascii_digit())).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_schemes_and_nothing_else() {
        for good in
            ["", "tcp://h:514", "udp://[::1]:514", "unix:///dev/log", "unixgram:///dev/log", "TCP+TLS://h:1"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["http://h", "h:514x", "plain"] {
            let fault = check(bad).unwrap_err();
            assert_eq!(
                fault.message,
                format!(
                    "invalid syslog url: \"{bad}\" invalid scheme, only [tcp, udp, unix, unixgram, tcp+tls] are \
                     supported"
                )
            );
        }
    }

    #[test]
    fn what_is_no_url_is_told_why() {
        for (bad, why) in [
            ("://h", "missing protocol scheme"),
            ("1.2.3.4:514", "first path segment in URL cannot contain colon"),
            ("tcp://h:x1", "invalid port \":x1\" after host"),
            ("tcp://h\n", "invalid control character"),
            ("tcp://%zz", "invalid URL escape \"%zz\""),
            ("tcp://h/%4", "invalid URL escape \"%4\""),
        ] {
            let fault = check(bad).unwrap_err();
            assert!(fault.message.contains(why), "{}", fault.message);
        }
    }
}
