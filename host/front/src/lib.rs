//! Every HTTP conversation with outsiders: the management API, invocations, and the few paths that every node has.
//!
//! [`router`] joins the parts of a node to HTTP; [`serve()`] listens. A dialect (in `dialect/`) translates between its own
//! wire types and core's nouns, and nothing else; `invoke/` turns requests into calls and answers into responses. The
//! table that turns a [`remuda_core::Kind`] into an HTTP status is in `status.rs`, and nowhere else.
//!
//! Deliberately absent: rules about apps, functions and triggers (those are [`remuda_core::catalog`]'s), where calls
//! run (that is the [`remuda_core::port::Invoker`]'s), and environment variables (a node passes [`Options`]).

mod dialect;
mod invoke;
mod json;
mod options;
mod readiness;
mod request_body;
mod router;
mod serve;
mod status;
mod url;

pub use options::{Invoking, Options, Ports};
pub use readiness::Readiness;
pub use router::router;
pub use serve::{ServeOptions, serve};
