//! The runner's room: calls become the work of hot containers.
//!
//! [`machine`] decides (who gets which instance, when another is started, which idle one makes room); [`Runner`]
//! carries it out through the [`Engine`](remuda_core::port::Engine) port and is itself an
//! [`Executor`](remuda_core::port::Executor): a full node calls it directly, `wire` serves it to load balancers.
//! Deliberately absent: how a container is made or spoken to (package `remuda-engine`), and gRPC. Start from
//! [`Runner::new`].

mod lease;
pub mod machine;
mod memory;
mod options;
mod service;
mod status;

pub use memory::{MemoryError, usable_memory};
pub use options::Options;
pub use service::Runner;
pub use status::Status;
