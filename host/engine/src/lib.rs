//! Containers, and how a function inside one is spoken to.
//!
//! [`Docker`] is a [`remuda_core::port::Engine`] on a Docker Engine: it sees that images are there, starts hardened
//! containers, waits until the function listens, and removes all that it made. What happens between us and a
//! function that listens (Fn's http-stream contract) is in the private module `contract`, which knows nothing of
//! Docker.
//!
//! Deliberately absent: which instance a call gets, how long an idle one is kept, what a node has room for. Those are
//! the runner's. Start from [`Docker::connect`].

mod contract;
pub mod docker;
mod error;
mod socket;

pub use docker::Docker;
pub use error::Error;
