//! The node pool manager's room: demand becomes runners.
//!
//! Load balancers say what they want per group; the machine compares that with the runners that the control plane
//! lists, and plans: provision so many, drain these, remove those. Each group is driven by a task of its own, which
//! carries plans out, lists again, and publishes the members. What the control plane lists is the only truth; what was
//! asked for is believed for a while and no longer.
//!
//! Deliberately absent: wires, plugins (both are ports), and memory beyond the process. Decisions are in the private
//! `machine` module, pure. Start from [`NodePool`].

mod clock;
mod driver;
mod group;
mod machine;
mod node_pool;
mod options;

pub use node_pool::NodePool;
pub use options::{Limits, Options};

#[cfg(test)]
mod tests;
