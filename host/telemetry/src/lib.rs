//! Tracing set-up, the names of log fields, and metrics.
//!
//! Every log line of every node goes through [`init`]. What fields are called is listed in [`field`]; `tracing`'s
//! macros want the names spelt out where they are used.
//! Numbers are counted in the handles that a [`metrics::Registry`] gives out.
//! Secrets, bodies, header values and function configuration are never logged.

pub mod field;
mod init;
pub mod metrics;

pub use init::{Format, InitError, Level, init};
