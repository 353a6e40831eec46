//! Where log lines go and how they look.

use std::io::{self, IsTerminal, Write};
use std::str::FromStr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("use text or json".to_owned()),
        }
    }
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Level {
    /// Everything.
    Trace,
    /// Each call.
    Debug,
    /// Changes of state of nodes and pools.
    #[default]
    Info,
    /// What we coped with.
    Warn,
    /// What someone must look at (also Fn's `fatal` and `panic`).
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warn),
            "error" | "fatal" | "panic" => Ok(Self::Error),
            _ => Err("use trace, debug, info, warn, error, fatal or panic".to_owned()),
        }
    }
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `RUST_LOG` is not a list of directives.
    #[error("read RUST_LOG")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// It was set up before.
    #[error("install the log subscriber")]
    Install(#[from] TryInitError),
}

/// Sends this process's log lines to standard error. `RUST_LOG`, where set, refines `level` by target
/// (`RUST_LOG=plugin=debug`). Call once, first thing.
pub fn init(level: Level, format: Format) -> Result<(), InitError> {
    // Our own rooms speak at the chosen level; libraries only from info on, unless RUST_LOG asks for more.
    let quiet = ["h2", "hyper", "hyper_util", "tonic", "rustls", "sqlx", "bollard", "tower"];
    let mut filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env()?;
    if std::env::var_os("RUST_LOG").is_none_or(|value| value.is_empty()) {
        let mut directives = level.as_str().to_owned();
        if matches!(level, Level::Trace | Level::Debug) {
            directives.extend(quiet.iter().map(|name| format!(",{name}=info")));
        }
        filter = EnvFilter::new(directives);
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        Format::Text => {
            let ansi = io::stderr().is_terminal();
            lines
                .with_ansi(ansi)
                .with_writer(move || OneLine { to: io::stderr(), ansi })
                .finish()
                .try_init()?
        }
        Format::Json => lines.with_writer(io::stderr).json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// Writes each event as one line: values come from tenants and peers, and none of them may look like a line of its own
/// or speak to the terminal.
struct OneLine<W> {
    to: W,
    /// The event is coloured; escape characters in values have been taken out where that was done.
    ansi: bool,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let is_harmful = |byte: &u8| byte.is_ascii_control() && !(self.ansi && *byte == 0x1b);
        if !line.iter().any(is_harmful) {
            self.to.write_all(event)?;
            return Ok(event.len());
        }
        let mut escaped = Vec::with_capacity(event.len() + 16);
        for byte in line {
            match byte {
                b if is_harmful(b) => escaped.extend(b.escape_ascii()),
                b => escaped.push(*b),
            }
        }
        escaped.extend_from_slice(&event[line.len()..]);
        self.to.write_all(&escaped)?;
        Ok(event.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_make_a_line_of_its_own() {
        let mut written = Vec::new();
        let event = "2026 INFO pool changed group=a\nERROR forged \u{1b}[31mé\n".as_bytes();
        assert_eq!(OneLine { to: &mut written, ansi: false }.write(event).unwrap(), event.len());
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "2026 INFO pool changed group=a\\nERROR forged \\x1b[31mé\n");
    }

    #[test]
    fn levels_of_fn_are_understood_in_any_case() {
        assert_eq!("DEBUG".parse(), Ok(Level::Debug));
        assert_eq!("panic".parse(), Ok(Level::Error));
        assert!("loud".parse::<Level>().is_err());
        assert_eq!("JSON".parse(), Ok(Format::Json));
    }
}
