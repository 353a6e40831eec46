//! Compatibility as files: each scenario is a recorded HTTP conversation, and any server of the dialect can be held
//! against it by its address, ours or the original.
//!
//! [`Scenario`] is a file, [`Target`] the server, [`replay`] plays all files of a directory and returns a [`Report`].
//! How the files are written stands in `fn_v2/README.md`.
//!
//! What this does not do: start servers, or judge how fast they are.

pub mod cli;
mod client;
mod compare;
mod pattern;
mod replay;
mod report;
mod scenario;
mod variables;

pub use replay::{Target, replay, replay_all};
pub use report::{Difference, Outcome, Report, ScenarioReport};
pub use scenario::{Expectation, Need, Place, Scenario, Step, load, read};

/// Where the scenarios of Fn's API, version 2, are.
#[must_use]
pub fn fn_v2() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fn_v2")
}
