//! The gRPC protocols between nodes: generated code only.
//!
//! `runner.proto` and `poolmanager.proto` are the source; the Rust is committed so that no build needs a code
//! generator. After a change of a `.proto`, run `UPDATE_PROTO=1 cargo test -p remuda-proto`. What the messages mean,
//! and how they become core types, is `remuda-wire`'s business.

#[allow(
    missing_docs,
    clippy::all,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    reason = "generated from runner.proto"
)]
#[rustfmt::skip]
#[path = "generated/runner.rs"]
pub mod runner;

#[allow(
    missing_docs,
    clippy::all,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    reason = "generated from poolmanager.proto"
)]
#[rustfmt::skip]
#[path = "generated/poolmanager.rs"]
pub mod poolmanager;

pub use prost_types::{Struct, Timestamp};
