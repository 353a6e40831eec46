//! The load balancer's room: it chooses runners for calls, tries them in turn, and asks for the capacity they need.
//!
//! A call comes in through [`remuda_core::port::Invoker`]. Its group's last known runners are put in order by a
//! placement, offered the call one after the other, and the answer streams back; only "busy" and "never arrived" move
//! a call on, and a round without success waits for something to change. What calls want is summed per group and
//! told to the node pool manager. Nothing on a call's path waits for the manager, except the first call of a group that
//! nobody has heard of.
//!
//! Deliberately absent: wires (clients of runners come from a `Connector`), HTTP, and the choice of implementations.
//! Decisions are in the private `machine` module, pure; the rest carries them out. Start from [`LoadBalancer`].

mod answer;
mod balancer;
mod call_guard;
mod clock;
mod definitions;
mod demand;
mod machine;
mod membership;
mod options;
mod placement;
mod pools;
mod replay;

pub use balancer::LoadBalancer;
pub use definitions::{CachedDefinitions, DefinitionsOptions, Sources};
pub use membership::StaticMembership;
pub use options::{Options, Ports};
pub use placement::{ConsistentHash, Naive};

#[cfg(test)]
mod tests;
