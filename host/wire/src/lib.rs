//! gRPC and HTTP between our own nodes, over mutual TLS.
//!
//! Each wire has the same core trait at both ends: [`RunnerService`] serves an `Executor` and [`connector`] opens
//! clients that are one; [`PoolService`] serves a `Membership` and a `DemandSink` and [`PoolClient`] is both;
//! [`ApiClient`] is the `Definitions`, `Tokens` and `Changes` of a node that has no catalogue. [`serve_grpc`] accepts
//! connections for the services, [`tls::Identity`] proves who a node is, [`certs`] makes certificates.
//!
//! What deliberately is not here: which runner is tried next, what is kept for a replay, what is cached. A refusal
//! for want of room is `Outcome::Busy` the moment it arrives and never an error.
//!
//! The runner protocol is Fn's. What is ours alone is announced by both sides ([`announce`]) and left out towards a
//! peer that does not announce itself.

mod announce;
mod api_client;
pub mod certs;
mod connection;
mod fault_code;
mod framing;
mod http2;
mod listener;
mod model;
mod pool_client;
mod pool_server;
mod runner_client;
mod runner_server;
pub mod tls;

pub use api_client::{ApiClient, ApiUrl};
pub use listener::serve_grpc;
pub use pool_client::PoolClient;
pub use pool_server::PoolService;
pub use runner_client::connector;
pub use runner_server::RunnerService;
