//! What a call asks the probe to do.

use crate::http::Head;
use std::time::Duration;

/// The wishes of one call, from a header such as `Probe-Do: sleep=200; status=502; log=hello`: names with an
/// optional value, separated by semicolons.
///
/// | wish | effect |
/// |---|---|
/// | `echo` | the body comes back as it arrives, bit for bit; with a Content-Length only if the request had one |
/// | `sleep=<ms>` | waits before it answers |
/// | `crash` | ends the process with status 9 instead of answering |
/// | `exit-after` | answers, then ends the process with status 0 |
/// | `hang` | never answers |
/// | `rubbish` | answers something that is not HTTP |
/// | `early` | answers without reading the request's body |
/// | `cut` | sends the head and half of the answer, then ends the process |
/// | `stall` | sends the head and half of the answer, then never the rest |
/// | `status=<n>` | the HTTP status towards the platform |
/// | `http-status=<n>` | `Fn-Http-Status`, the status for the caller of a trigger |
/// | `header=<Name>:<value>` | one more header of the answer; may be repeated |
/// | `header-size=<n>` | one more header, of n bytes |
/// | `size=<n>` | a body of n bytes, byte i being i mod 251 |
/// | `chunked` | the answer has no Content-Length |
/// | `log=<text>` | a line on standard output |
/// | `memory=<mb>` | touches that much memory first |
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wish {
    pub(crate) echo: bool,
    pub(crate) sleep: Duration,
    pub(crate) crash: bool,
    pub(crate) exit_after: bool,
    pub(crate) hang: bool,
    pub(crate) rubbish: bool,
    pub(crate) early: bool,
    pub(crate) cut: bool,
    pub(crate) stall: bool,
    pub(crate) status: Option<u16>,
    pub(crate) http_status: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) header_size: usize,
    pub(crate) size: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) log: Option<String>,
    pub(crate) memory_mb: usize,
}

impl Wish {
    /// The wishes in a request's headers. The error is a sentence that names what was not understood.
    pub(crate) fn of(head: &Head) -> Result<Self, String> {
        let text = head.get("probe-do").or_else(|| head.get("fn-http-h-probe-do")).unwrap_or_default();
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut wish = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            wish.add(name, value)
                .ok_or_else(|| format!("'{part}' is not a wish that this function knows"))?;
        }
        Ok(wish)
    }

    fn add(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "echo" => self.echo = true,
            "sleep" => self.sleep = Duration::from_millis(value.parse().ok()?),
            "crash" => self.crash = true,
            "exit-after" => self.exit_after = true,
            "hang" => self.hang = true,
            "rubbish" => self.rubbish = true,
            "early" => self.early = true,
            "cut" => self.cut = true,
            "stall" => self.stall = true,
            "status" => self.status = Some(value.parse().ok().filter(|status| (100..1000).contains(status))?),
            "http-status" => self.http_status = Some(value.to_owned()),
            "header" => {
                let (name, value) = value.split_once(':')?;
                self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            "header-size" => self.header_size = value.parse().ok()?,
            "size" => self.size = Some(value.parse().ok()?),
            "chunked" => self.chunked = true,
            "log" => self.log = Some(value.to_owned()),
            "memory" => self.memory_mb = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_names_with_values_between_semicolons() {
        let wish = Wish::parse("sleep=20; status=502;header=X-A: b:c; header=X-B:d;log=a=b").unwrap();
        assert_eq!(wish.sleep, Duration::from_millis(20));
        assert_eq!(wish.status, Some(502));
        assert_eq!(wish.headers, [("X-A".into(), "b:c".into()), ("X-B".to_owned(), "d".to_owned())]);
        assert_eq!(wish.log.as_deref(), Some("a=b"));
        assert_eq!(Wish::parse("").unwrap(), Wish::default());
    }

    #[test]
    fn an_unknown_wish_is_named() {
        assert!(Wish::parse("dance").unwrap_err().contains("'dance'"));
        assert!(Wish::parse("sleep=long").unwrap_err().contains("'sleep=long'"));
    }
}
