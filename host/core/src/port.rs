//! The ports: what a room needs of the outside world, one trait a file. Each has a real implementation and a
//! fake: those that several crates test with are in [`crate::testing`], the others beside the tests that use them.

mod catalog;
mod changes;
mod control_plane;
mod engine;
mod executor;
mod groups;
mod invoker;
mod listener;
mod placement;
mod pool;
mod tokens;

pub use catalog::{
    AppFilter, Catalog, Change, Check, Definitions, FnFilter, Page, PageOf, Place, TriggerFilter,
};
pub use changes::{Changed, Changes, News};
pub use control_plane::ControlPlane;
pub use engine::{CallFault, Engine, FunctionRequest, Instance, InstanceSpec};
pub use executor::{Executor, Offer, Outcome, Taken};
pub use groups::{GroupUse, Groups};
pub use invoker::Invoker;
pub use listener::{AppListener, CallEnd, CallListener, FnListener, Listeners, TriggerListener};
pub use placement::Placement;
pub use pool::{Connector, DemandSink, Membership};
pub use tokens::{TokenStore, Tokens};
