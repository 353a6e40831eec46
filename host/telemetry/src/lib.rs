//! Tracing set-up and the names of log fields.
//!
//! Every log line of every node goes through [`init`]. What fields are called is listed in [`field`]; `tracing`'s
//! macros want the names spelt out where they are used.
//! Secrets, bodies, header values and function configuration are never logged.

pub mod field;
mod init;

pub use init::{Format, InitError, Level, init};
