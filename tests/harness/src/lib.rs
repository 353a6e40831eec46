//! A whole cluster of real daemons in a few lines, for integration tests.
//!
//! Nothing here is simulated: the daemons are the binaries that cargo built, they listen on free ports of
//! loopback, and functions run as containers of a real Docker Engine. What the harness adds is order (a node is
//! started once the addresses it needs are known), waiting by readiness (never by sleeping for a while and
//! hoping), a log file for each node that is shown when a test fails, and a strict end: every node must exit with
//! code 0, no container may be left, and a warning or an error in a log that the test did not announce fails it.
//!
//! ```no_run
//! use remuda_harness::{Cluster, Tls, images};
//!
//! # async fn test() {
//! // An API node, an LB, an NPM with the plugin `noop` and a runner for each of two groups, over mutual TLS.
//! let mut cluster = Cluster::builder()
//!     .api()
//!     .lb()
//!     .npm("noop")
//!     .runner("blue")
//!     .runner("green")
//!     .tls(Tls::SelfSigned)
//!     .env("lb", "FN_MAX_REQUEST_SIZE", "1000000")
//!     .allow_log("a part of the warning that this test provokes")
//!     .start()
//!     .await
//!     .unwrap();
//!
//! // A function image, built from `tests/functions/probe` once and kept by its content.
//! let image = images::probe().await.unwrap();
//!
//! let api = cluster.api();
//! let app = api.create_app("shop", &[("FN_LB_GROUP_ID", "blue")]).await.unwrap();
//! let function = api.create_function(&app, "hello", &image).await.unwrap();
//! api.create_trigger(&app, &function, "web", "/hello").await.unwrap();
//!
//! // The LB, or the full node: where calls go.
//! let front = cluster.front();
//! let answer = front.invoke(&function, "a body").await.unwrap();
//! assert_eq!(answer.status, 200);
//! let answer = front.trigger("shop", "/hello", "a body").await.unwrap();
//! assert_eq!(answer.status, 200);
//!
//! // Nodes come and go: the same addresses, the same state.
//! cluster.node("npm").kill().await.unwrap();
//! cluster.node("npm").restart().await.unwrap();
//!
//! // Stops everything and fails on what is left behind or was complained about. A cluster that is dropped
//! // instead, by a failed assertion or a return, prints the nodes' logs and fails the test.
//! cluster.shutdown().await.unwrap();
//! # }
//! ```
//!
//! # What a test relies on
//! - **Daemons**: taken from the directory in `REMUDA_BIN_DIR` when `cargo xtask test` has set it, else built once
//!   per process with `cargo build --workspace` ([`daemons`]).
//! - **A Docker Engine** that answers. Its absence is an error, never a skipped test ([`docker`]).
//! - **Names**: nodes are called `full`, `api`, `lb`, `npm`; a runner is called after its group, the second of one
//!   group `blue-2`; a runner that belongs to no group is called `runner`, `runner-2`.
//! - **Containers** carry the label `remuda.test=<this cluster>`, and cleaning up touches only these.
//!
//! # What it deliberately does not do
//! It does not retry a call, ignore an unexpected exit or sleep. A test that needs time to pass waits for
//! something that it can see, with [`until`].

pub mod certificates;
mod cluster;
pub mod daemons;
pub mod docker;
mod error;
mod http;
pub mod images;
mod logs;
mod node;
pub mod process;
mod wait;

pub use cluster::{Builder, Cluster, Step, Tls};
pub use error::Error;
pub use http::{Answer, Api, AppId, Front, FunctionId, FunctionSettings};
pub use logs::{Complaint, complaints};
pub use node::{Node, Ready, Role};
pub use wait::until;
