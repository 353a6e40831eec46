//! The names of log fields: one meaning each, the same in every room.

/// The app of a call.
pub const APP_ID: &str = "app.id";
/// The function of a call.
pub const FN_ID: &str = "fn.id";
/// One invocation.
pub const CALL_ID: &str = "call.id";
/// An LB group.
pub const GROUP_ID: &str = "group.id";
/// A runner, by address.
pub const RUNNER_ID: &str = "runner.id";
/// A plugin, by the name in its manifest.
pub const PLUGIN_NAME: &str = "plugin.name";
/// How something ended.
pub const OUTCOME: &str = "outcome";
/// A failure with its chain of causes.
pub const ERROR: &str = "error";
/// How long something took, in milliseconds.
pub const DURATION_MS: &str = "duration_ms";
/// How large something was, in bytes.
pub const SIZE_BYTES: &str = "size_bytes";
