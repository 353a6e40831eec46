//! Every HTTP conversation with outsiders: the management API, invocations, and the few paths that every node has.
//!
//! [`router`] joins the parts of a node to HTTP; [`serve()`] listens. A dialect (in `dialect/`) translates between its own
//! wire types and core's nouns, and nothing else; `invoke/` turns requests into calls and answers into responses. The
//! table that turns a [`remuda_core::Kind`] into an HTTP status is in `status.rs`, and nowhere else.
//!
//! Around every request, from the outside in: `metrics/` counts it, `panics.rs` answers where a handler cannot, `cors.rs`
//! speaks to browsers, then come the pieces of middleware of [`Extensions`], then the limit to its size.
//!
//! Deliberately absent: rules about apps, functions and triggers (those are [`remuda_core::catalog`]'s), where calls
//! run (that is the [`remuda_core::port::Invoker`]'s), and environment variables (a node passes [`Options`]).

mod access;
mod cors;
mod dialect;
mod extension;
mod invoke;
mod json;
mod metrics;
mod openapi;
mod options;
mod panics;
mod readiness;
mod request_body;
mod router;
mod serve;
mod status;
mod url;

pub use access::Peer;
/// As middleware and endpoints of an extended binary see them.
pub use axum::{extract::Request, response::Response};
pub use cors::{Cors, CorsError, Origins};
pub use extension::{Endpoint, EndpointError, Extensions, Middleware, Next};
pub use options::{Access, Invoking, Management, Options, Ports};
pub use readiness::Readiness;
pub use router::router;
pub use serve::{ServeOptions, serve};
