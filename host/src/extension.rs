//! What a binary of your own needs to extend a node: listeners around apps, functions, triggers and calls, and HTTP
//! middleware.
//!
//! ```no_run
//! use remuda::extension::{Call, CallListener, Extensions, Fault, Kind, async_trait};
//! use std::sync::Arc;
//!
//! struct NoNights;
//!
//! #[async_trait]
//! impl CallListener for NoNights {
//!     async fn before_call(&self, call: &mut Call) -> Result<(), Fault> {
//!         if call.target.app_name == "shop" { Err(Fault::user(Kind::Forbidden, "closed")) } else { Ok(()) }
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let mut extensions = Extensions::default();
//!     extensions.listeners.calls.push(Arc::new(NoNights));
//!     remuda::daemon::fnserver_with(extensions)
//! }
//! ```
//!
//! `examples/meter.rs` in this crate is a whole one.

pub use async_trait::async_trait;
pub use remuda_core::port::{
    AppFilter, AppListener, CallEnd, CallListener, FnListener, Listeners, TriggerListener,
};
pub use remuda_core::{App, AppId, AppSet, Call, Fault, FnId, Function, Kind, Target, Trigger, TriggerId};
pub use remuda_front::{Endpoint, EndpointError, Extensions, Middleware, Next, Request, Response};
