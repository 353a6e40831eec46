//! Why a daemon ends otherwise than by being told to.

use crate::env::Mistake;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// `EX_USAGE` of sysexits.h: what the operator said cannot be carried out.
const EXIT_CONFIGURATION: u8 = 64;

/// A daemon's end by failure.
#[derive(Debug)]
pub enum Failure {
    /// The environment is wrong: all that is wrong with it.
    Configuration(Vec<Mistake>),
    /// Something that the environment names cannot be used (a plugin, a certificate); one sentence.
    Unusable(String),
    /// Something could not be done, and why.
    Failed {
        /// What: `start lb`, `listen on 0.0.0.0:8080`.
        what: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Failure {
    /// Wraps the reason why `what` could not be done; for `map_err`.
    pub fn to<E: Into<Box<dyn Error + Send + Sync>>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Failed { what, source: source.into() }
    }

    /// The process's exit code: 64 for what the operator can fix in the environment, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::Unusable(_) => ExitCode::from(EXIT_CONFIGURATION),
            Self::Failed { .. } => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(mistakes) => {
                f.write_str("the environment is wrong:")?;
                mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
            Self::Unusable(sentence) => f.write_str(sentence),
            Self::Failed { what, source } => {
                write!(f, "{what}: {source}")?;
                let mut next = source.source();
                while let Some(cause) = next {
                    write!(f, ": {cause}")?;
                    next = cause.source();
                }
                Ok(())
            }
        }
    }
}

impl Error for Failure {}
