//! The heart of the house: the nouns, the ports (traits) and the faults that every room shares.
//!
//! Deliberately absent: I/O, clocks, randomness without a caller's seed, an async runtime. A type lives here
//! when two rooms must agree on it; wire formats (HTTP, gRPC, SQL, the plugin ABI) live at the edges and are
//! translated by hand. Start from [`call::Call`] and [`port::Executor`]: a call is offered to an executor,
//! which answers it, or says that it is busy.

pub mod access;
pub mod app;
pub mod call;
pub mod capacity;
pub mod catalog;
pub mod config;
pub mod fault;
pub mod function;
pub mod group;
pub mod id;
pub mod listen;
pub mod moment;
pub mod port;
pub mod runner;
pub mod target;
pub mod testing;
pub mod trigger;

pub use access::AppSet;
pub use app::App;
pub use call::{Answer, Body, Call, Mode};
pub use capacity::{GroupDemand, MemoryMb};
pub use config::{Annotations, Config};
pub use fault::{Blame, Fault, Kind};
pub use function::Function;
pub use group::GroupId;
pub use id::{AppId, CallId, FnId, IdSource, LbId, TokenId, TriggerId};
pub use moment::{Moment, Timestamp};
pub use runner::{PoolRunner, RunnerAddress};
pub use target::Target;
pub use trigger::Trigger;
