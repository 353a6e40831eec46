//! Where log lines go and how they look.

use std::io::{self, IsTerminal};
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
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => lines.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
        Format::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_fn_are_understood_in_any_case() {
        assert_eq!("DEBUG".parse(), Ok(Level::Debug));
        assert_eq!("panic".parse(), Ok(Level::Error));
        assert!("loud".parse::<Level>().is_err());
        assert_eq!("JSON".parse(), Ok(Format::Json));
    }
}
