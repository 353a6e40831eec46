//! What can go wrong while a cluster is built, used and stopped.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A failed operation of the harness. Its `Debug` is its text, so that `unwrap` in a test prints sentences.
#[derive(thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read, written or made.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was tried: `write`, `create`, …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program could not be started at all.
    #[error("start `{program}`: {source}")]
    Spawn {
        /// The program's name or path.
        program: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program ended with another code than 0.
    #[error("`{program}` failed ({status}):\n{output}")]
    Program {
        /// The program and its arguments.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// Something did not happen in time.
    #[error("waited {} ms for {what}, in vain", within.as_millis())]
    Deadline {
        /// What was waited for.
        what: String,
        /// For how long.
        within: Duration,
    },
    /// A node ended, or said nothing, where it should have become ready.
    #[error("node {node} did not start: {reason}\n--- log of {node} ---\n{log}")]
    Start {
        /// The node's name.
        node: String,
        /// What happened instead.
        reason: String,
        /// What the node has logged.
        log: String,
    },
    /// The shape asked for makes no sense.
    #[error("{0}")]
    Shape(String),
    /// No Docker Engine answers.
    #[error("{0}")]
    Docker(String),
    /// An HTTP exchange failed before an answer was there.
    #[error("{doing}: {}", chain(source))]
    Http {
        /// The method and address.
        doing: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// The API answered with a status that says no.
    #[error("{doing}: the answer was {status}: {body}")]
    Refused {
        /// The method and address.
        doing: String,
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The end was not clean. Each entry is one reason.
    #[error("the cluster did not end cleanly:\n- {}", .0.join("\n- "))]
    Unclean(Vec<String>),
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

/// reqwest says "error sending request" and keeps the reason in its sources: join them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
