//! What the end-to-end tests in `tests/it` share: apps with a probe function in them, what a probe answers, and
//! bodies whose every byte can be checked. The clusters themselves come from `remuda-harness`.

mod body;
mod deploy;
mod probe;

pub use body::{Upload, bytes};
pub use deploy::{deploy, deploy_with, probe_in_group};
pub use probe::{DO, Seen};

/// The warning about a peer that is gone: what a test that takes one away must expect of those that dial it.
pub const LOST: &str = "cannot be reached";
