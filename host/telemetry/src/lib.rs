//! Tracing set-up and the names of log fields.
//!
//! Every log line of every node goes through [`init`]. What a field is called is written down once, in [`field`].
//! Secrets, bodies, header values and function configuration are never logged.

pub mod field;
mod init;

pub use init::{Format, InitError, Level, init};
