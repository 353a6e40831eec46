//! How a command of ours ends badly: one sentence and an exit code.

use std::fmt;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is wrong, and this says what.
    Because(String),
    /// The user pressed Ctrl-C before it was done.
    Interrupted,
}

impl Failure {
    pub(crate) fn because(why: impl Into<String>) -> Self {
        Self::Because(why.into())
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Because(_) => 1,
            // 128 + SIGINT, as every shell expects.
            Self::Interrupted => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(why) => formatter.write_str(why),
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

impl From<remuda_harness::Error> for Failure {
    fn from(error: remuda_harness::Error) -> Self {
        Self::Because(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Because(error.to_string())
    }
}
