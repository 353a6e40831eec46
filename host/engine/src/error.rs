//! What can go wrong with the engine itself.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An operation on the engine, or on what belongs to a container, that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the engine is of no use, or its certificates are not.
    #[error("connect to the docker engine at {host}")]
    Connect {
        /// Where it was looked for.
        host: String,
        /// Why.
        source: Box<bollard::errors::Error>,
    },
    /// The engine refused, or could not be spoken to.
    #[error("{operation}")]
    Engine {
        /// What was asked of it.
        operation: &'static str,
        /// Why.
        source: Box<bollard::errors::Error>,
    },
    /// The engine did not answer in time.
    #[error("{operation}: no answer from the docker engine in {} s", after.as_secs_f32())]
    Deadline {
        /// What was asked of it.
        operation: &'static str,
        /// How long it had.
        after: Duration,
    },
    /// The directory that a container and we share for its socket could not be made.
    #[error("prepare the socket directory under {}", directory.display())]
    SocketDirectory {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// The status that the engine answered with, if it did.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Connect { source, .. } | Self::Engine { source, .. } => match source.as_ref() {
                bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
                _ => None,
            },
            Self::Deadline { .. } | Self::SocketDirectory { .. } => None,
        }
    }

    /// What the engine itself said, if it did.
    pub(crate) fn engine_message(&self) -> Option<&str> {
        match self {
            Self::Connect { source, .. } | Self::Engine { source, .. } => match source.as_ref() {
                bollard::errors::Error::DockerResponseServerError { message, .. } => Some(message),
                bollard::errors::Error::DockerStreamError { error } => Some(error),
                _ => None,
            },
            Self::Deadline { .. } | Self::SocketDirectory { .. } => None,
        }
    }
}
