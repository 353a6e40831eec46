//! Write a Remuda plugin: a control plane for your pool of runners, as one plain trait.
//!
//! A node pool manager knows how much memory the calls of each group want; a *control plane* knows how to make a runner
//! for them: start a container, boot a machine, or hand out what is there. This crate is all that an author needs.
//! A complete plugin, `src/lib.rs` of a crate with `crate-type = ["cdylib"]`:
//!
//! ```
//! use remuda_plugin_api::{ControlPlane, Error, Host, Runner, Variable, tracing};
//!
//! /// Two machines in a cupboard, for every group.
//! struct Cupboard {
//!     domain: String,
//! }
//!
//! impl ControlPlane for Cupboard {
//!     async fn start(host: Host) -> Result<Self, Error> {
//!         let domain = host.required("CUPBOARD_DOMAIN")?.to_owned();
//!         if domain.contains(':') {
//!             return Err(host.misconfigured("CUPBOARD_DOMAIN", "leave the port out"));
//!         }
//!         tracing::info!(%domain, "the cupboard is open");
//!         Ok(Self { domain })
//!     }
//!
//!     async fn runners(&self, _group: &str) -> Result<Vec<Runner>, Error> {
//!         let runner = |id: &str| Runner {
//!             id: id.to_owned(),
//!             address: format!("{id}.{}:9190", self.domain),
//!             capacity_mb: 16 * 1024,
//!             fixed: true,
//!         };
//!         Ok(vec![runner("left"), runner("right")])
//!     }
//!
//!     async fn provision(&self, _group: &str, _count: u32) -> Result<u32, Error> {
//!         Ok(0)
//!     }
//!
//!     async fn remove(&self, _group: &str, _id: &str) -> Result<(), Error> {
//!         Ok(())
//!     }
//! }
//!
//! remuda_plugin_api::export_control_plane! {
//!     type = Cupboard,
//!     name = "cupboard",
//!     variables = [Variable::required("CUPBOARD_DOMAIN", "The domain of the machines.").example("home.example")],
//! }
//! # fn main() {}
//! ```
//!
//! Build it with `cargo build --release`, and start the node pool manager with
//! `CONTROL_PLANE_SO=target/release/libcupboard.so`.
//!
//! What holds for every plugin:
//! - The host finds the values of the declared variables in its own environment; the plugin says what they must mean.
//!   An error of [`ControlPlane::start`] stops the host with that sentence.
//! - Methods run on a tokio runtime that belongs to the plugin. Each call has a deadline; a call past it is dropped.
//! - A panic fails one call. A build with `panic = "abort"` does not compile.
//! - [`tracing`]'s events go to the host's log; spans do not.
//! - A plugin works in any host whose `remuda-plugin-api` has the same major version (the same minor, while that is 0),
//!   whichever compiler built either.
//!
//! `ABI.md` beside this crate is the contract below the trait.
//!
//! Deliberately absent: anything about HTTP, calls, or how demand becomes a number of runners.

pub mod abi;
mod control_plane;
mod error;
mod export;
mod guard;
mod host;
mod instance;
mod log;
pub mod manifest;
mod runner;
mod variable;

pub use control_plane::ControlPlane;
pub use error::Error;
pub use host::Host;
pub use runner::{Runner, check_address};
pub use tracing;
pub use variable::Variable;

#[doc(hidden)]
pub mod __private {
    //! What the export line expands to; no part of the contract.
    pub use crate::abi::PluginModRef;
    pub use crate::export::{Export, root_module, table};
    pub use crate::manifest::Identity;
    pub use abi_stable::library::{CheckTypeLayout, LibHeader, RootModuleResult};
}
