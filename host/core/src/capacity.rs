//! Memory as the unit of capacity and demand.

use crate::GroupId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of memory in mebibytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemoryMb(pub u64);

impl MemoryMb {
    /// The same amount in bytes.
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(1024 * 1024)
    }
}

impl fmt::Display for MemoryMb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.0)
    }
}

/// How much memory one LB wants for one group: that of its calls being placed or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDemand {
    /// The group.
    pub group: GroupId,
    /// The memory of its calls; zero says that it has just become idle.
    pub memory: MemoryMb,
}
