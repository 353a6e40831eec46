//! What a variable may hold.

use remuda_core::RunnerAddress;
use remuda_telemetry::{Format, Level};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A type that a variable's text is read as.
pub trait Setting: Sized {
    /// What the reference page calls it.
    const KIND: &'static str;
    /// Whether its value must not be shown.
    const IS_SECRET: bool = false;
    /// Reads it; the error says what to set instead.
    fn parse(text: &str) -> Result<Self, String>;
    /// What stands in when there is no default: only seen when a mistake is reported anyway.
    fn fallback() -> Self;
}

impl<T: Setting> Setting for Option<T> {
    const KIND: &'static str = T::KIND;
    const IS_SECRET: bool = T::IS_SECRET;
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }
    fn fallback() -> Self {
        None
    }
}

impl Setting for u16 {
    const KIND: &'static str = "port";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "use a port from 0 to 65535".to_owned())
    }
    fn fallback() -> Self {
        0
    }
}

impl Setting for u64 {
    const KIND: &'static str = "number";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "use a whole number, 0 or more".to_owned())
    }
    fn fallback() -> Self {
        0
    }
}

impl Setting for bool {
    const KIND: &'static str = "boolean";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
            "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
            _ => Err("use true or false".to_owned()),
        }
    }
    fn fallback() -> Self {
        false
    }
}

impl Setting for String {
    const KIND: &'static str = "text";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn fallback() -> Self {
        Self::new()
    }
}

impl Setting for PathBuf {
    const KIND: &'static str = "path";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
    fn fallback() -> Self {
        Self::new()
    }
}

impl Setting for IpAddr {
    const KIND: &'static str = "IP address";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "use an IP address of this machine, such as 0.0.0.0 or 127.0.0.1".to_owned())
    }
    fn fallback() -> Self {
        Self::from([0, 0, 0, 0])
    }
}

impl Setting for Level {
    const KIND: &'static str = "log level";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
    fn fallback() -> Self {
        Self::default()
    }
}

impl Setting for Format {
    const KIND: &'static str = "text or json";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
    fn fallback() -> Self {
        Self::default()
    }
}

impl Setting for RunnerAddress {
    const KIND: &'static str = "host:port";
    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| format!("{wrong}; use host:port"))
    }
    fn fallback() -> Self {
        #[expect(clippy::expect_used, reason = "a literal that the parser's tests cover")]
        Self::parse("localhost:1").expect("a valid address")
    }
}

/// A whole number of milliseconds; a negative one means "never" and is read as a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milliseconds(pub Duration);

impl Setting for Milliseconds {
    const KIND: &'static str = "milliseconds";
    fn parse(text: &str) -> Result<Self, String> {
        let ms: i64 = text.parse().map_err(|_| "use a whole number of milliseconds".to_owned())?;
        let never = Duration::from_secs(100 * 365 * 24 * 3600);
        Ok(Self(u64::try_from(ms).map_or(never, Duration::from_millis)))
    }
    fn fallback() -> Self {
        Self(Duration::ZERO)
    }
}

/// A whole number of seconds, or a duration with units such as `1m30s`; zero means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl Setting for Seconds {
    const KIND: &'static str = "duration";
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(seconds) = text.parse() {
            return Ok(Self(Duration::from_secs(seconds)));
        }
        units(text)
            .map(Self)
            .ok_or_else(|| "use whole seconds, or a duration such as 500ms or 1m30s".to_owned())
    }
    fn fallback() -> Self {
        Self(Duration::ZERO)
    }
}

/// Sums parts such as `1m`, `30s`, `5ms`.
fn units(mut text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let mut sum = Duration::ZERO;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(digits);
        let length = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(length);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        sum = sum.checked_add(part)?;
        text = rest;
    }
    Some(sum)
}

/// Items with commas between them; blanks around them do not count, empty items neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl Setting for List<RunnerAddress> {
    const KIND: &'static str = "host:port, …";
    fn parse(text: &str) -> Result<Self, String> {
        let grouped = |wrong: String, item: &str| match item.split_once('=') {
            Some(_) => format!("{wrong} (runners of one group, group=host:port, are for fnnpm's noop.so)"),
            None => wrong,
        };
        let read = |item| <RunnerAddress as Setting>::parse(item).map_err(|wrong| grouped(wrong, item));
        let (good, wrong): (Vec<_>, Vec<_>) = items(text).map(read).partition(Result::is_ok);
        match wrong.into_iter().filter_map(Result::err).reduce(|all, next| format!("{all}; {next}")) {
            None => Ok(Self(good.into_iter().flatten().collect())),
            Some(all) => Err(all),
        }
    }
    fn fallback() -> Self {
        Self(Vec::new())
    }
}

impl Setting for List<(String, String)> {
    const KIND: &'static str = "key=value, …";
    fn parse(text: &str) -> Result<Self, String> {
        let pair = |item: &str| match item.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("'{item}' is not key=value")),
        };
        items(text).map(pair).collect::<Result<_, _>>().map(Self)
    }
    fn fallback() -> Self {
        Self(Vec::new())
    }
}

impl Setting for List<String> {
    const KIND: &'static str = "text, …";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(items(text).map(str::to_owned).collect()))
    }
    fn fallback() -> Self {
        Self(Vec::new())
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Names with blanks between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<String>);

impl Setting for Networks {
    const KIND: &'static str = "name …";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.split_whitespace().map(str::to_owned).collect()))
    }
    fn fallback() -> Self {
        Self::default()
    }
}

/// The built-in ways of choosing a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placer {
    /// In turn.
    Naive,
    /// By consistent hashing of the function.
    ConsistentHash,
}

impl Setting for Placer {
    const KIND: &'static str = "naive or ch";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "naive" => Ok(Self::Naive),
            "ch" => Ok(Self::ConsistentHash),
            _ => Err("use naive or ch".to_owned()),
        }
    }
    fn fallback() -> Self {
        Self::Naive
    }
}

/// The URL of a database; its password is never shown.
#[derive(Clone, Debug)]
pub struct DatabaseUrl(pub Secret);

impl Setting for DatabaseUrl {
    const KIND: &'static str = "URL";
    const IS_SECRET: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        let known = ["sqlite3://", "sqlite://", "postgres://", "postgresql://", "mysql://"];
        if known.iter().any(|scheme| text.starts_with(scheme)) || text == ":memory:" {
            return Ok(Self(Secret(text.to_owned())));
        }
        Err("use sqlite3:///absolute/path, postgres://user:password@host/database or \
             mysql://user:password@tcp(host:3306)/database"
            .to_owned())
    }
    fn fallback() -> Self {
        Self(Secret(String::new()))
    }
}

/// Whether senders of requests must prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everything is allowed to everyone, as in Fn.
    None,
    /// By bearer tokens.
    Token,
}

impl Setting for Auth {
    const KIND: &'static str = "none or token";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "token" => Ok(Self::Token),
            _ => Err("use none (everything is allowed to everyone) or token (bearer tokens, made by `remuda token`)"
                .to_owned()),
        }
    }
    fn fallback() -> Self {
        Self::None
    }
}

/// The address of a Docker Engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerHost(pub String);

impl Setting for DockerHost {
    const KIND: &'static str = "URL";
    fn parse(text: &str) -> Result<Self, String> {
        let known = ["unix://", "tcp://", "http://"];
        if known.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
            return Ok(Self(text.to_owned()));
        }
        Err("use unix:///path/of/docker.sock or tcp://host:port".to_owned())
    }
    fn fallback() -> Self {
        Self(String::new())
    }
}

/// A file that is to be written: its directory must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile(pub PathBuf);

impl Setting for NewFile {
    const KIND: &'static str = "path";
    fn parse(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() || parent.is_dir() => Ok(Self(path)),
            _ => Err("name a file in a directory that exists".to_owned()),
        }
    }
    fn fallback() -> Self {
        Self(PathBuf::new())
    }
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting for Secret {
    const KIND: &'static str = "text";
    const IS_SECRET: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
    fn fallback() -> Self {
        Self(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_seconds_or_have_units() {
        assert_eq!(Seconds::parse("90").unwrap().0, Duration::from_secs(90));
        assert_eq!(Seconds::parse("1m30s").unwrap().0, Duration::from_secs(90));
        assert_eq!(Seconds::parse("1.5s").unwrap().0, Duration::from_millis(1500));
        for wrong in ["", "s", "5x", "-1", "1m30"] {
            assert!(Seconds::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn negative_milliseconds_mean_never() {
        assert!(Milliseconds::parse("-1").unwrap().0 > Duration::from_secs(1_000_000));
    }

    #[test]
    fn lists_forgive_blanks() {
        let list = <List<RunnerAddress> as Setting>::parse(" a:1 , b:2,").unwrap();
        assert_eq!(list.0.len(), 2);
        assert!(<List<RunnerAddress> as Setting>::parse("a").unwrap_err().contains("'a' is not host:port"));
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::parse("hunter2").unwrap()), "***");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".*") {
            let _ = Seconds::parse(&text);
            let _ = <List<RunnerAddress> as Setting>::parse(&text);
            let _ = Milliseconds::parse(&text);
        }
    }
}
