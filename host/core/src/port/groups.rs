//! Where the operator's list of LB groups is kept.

use crate::catalog::groups::Group;
use crate::{Fault, GroupId};
use async_trait::async_trait;

/// How a group's name is used by the configs of apps and functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupUse {
    /// Whether any names it.
    pub is_used: bool,
    /// How many different groups are named in all.
    pub distinct: u64,
}

/// The list of groups. An empty one lets apps name any group.
#[async_trait]
pub trait Groups: Send + Sync + 'static {
    /// All of it, ordered by id. At most [`crate::catalog::groups::MAX_LISTED`] are kept.
    async fn list_groups(&self) -> Result<Vec<Group>, Fault>;
    /// Stores a group, in the place of one with its id if there is one; `Kind::Conflict` when the list is full.
    async fn put_group(&self, group: Group) -> Result<Group, Fault>;
    /// Takes a group off the list; `Kind::NotFound` with `Group not found` when it is not on it.
    async fn delete_group(&self, id: &GroupId) -> Result<(), Fault>;
    /// How a group is used.
    async fn group_use(&self, id: &GroupId) -> Result<GroupUse, Fault>;
}
