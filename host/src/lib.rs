//! The hallway: reads the environment, picks implementations and connects them.
//!
//! Everything that decides or touches the world lives in the crates around `remuda-core`; this one knows them all and
//! does nothing else. [`config`] says what a daemon is to be, [`wiring`] builds and runs it, [`daemon`] is what the
//! binaries share: they call [`wiring::fnserver`] and [`wiring::fnnpm`], which a binary that extends Remuda can call too.

pub mod certs;
pub mod config;
pub mod daemon;
pub mod env;
pub mod extension;
mod failure;
mod ready;
mod role;
mod shutdown;
pub mod token;
pub mod wiring;

pub use failure::Failure;
pub use ready::Ready;
pub use role::NodeType;

/// Our version, as `/version` and `--version` name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
