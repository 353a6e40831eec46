//! What can go wrong in a plugin, as its host is told.

use crate::abi::{AbiError, code};
use std::fmt;
use std::time::Duration;

/// A failure of a call or of the start. The host logs the message, and answers the call with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: u32,
    message: String,
    retry_after: Option<Duration>,
}

impl Error {
    fn new(code: u32, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string(), retry_after: None }
    }
    /// The plugin failed, and trying again would not help.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(code::INTERNAL, message)
    }
    /// Something that the plugin needs (an engine, a cloud) is away; trying later may help.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(code::UNAVAILABLE, message)
    }
    /// The plugin does not know this method, or cannot do this.
    pub fn unsupported(message: impl fmt::Display) -> Self {
        Self::new(code::UNSUPPORTED, message)
    }
    /// A variable holds what cannot be right: one sentence that names the variable, its value and what to set.
    /// [`crate::Host::misconfigured`] writes that sentence.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(code::CONFIG, message)
    }
    pub(crate) fn panicked(message: impl fmt::Display) -> Self {
        Self::new(code::PANICKED, message)
    }
    /// The same failure with a hint when to try again.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
    /// The same failure, said to have happened while doing `what`.
    pub fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
    /// What the host is told.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// True for [`Error::config`].
    pub fn is_config(&self) -> bool {
        self.code == code::CONFIG
    }
    /// True for [`Error::unavailable`].
    pub fn is_unavailable(&self) -> bool {
        self.code == code::UNAVAILABLE
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for AbiError {
    fn from(error: Error) -> Self {
        let wait = error.retry_after.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        Self {
            code: error.code,
            flags: 0,
            retry_after_ms: wait,
            message: error.message.into(),
            reserved: String::new().into(),
        }
    }
}
