//! LB groups: who a call's runners are.

use crate::catalog::groups;
use crate::{Annotations, Config};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The configuration key, and a runner's variable, that name a group.
pub const GROUP_KEY: &str = "FN_LB_GROUP_ID";
/// The annotation by which an administrator pins an app to a group, whatever its configs say.
pub const PIN_KEY: &str = "remuda/lb-group";
/// The group of whoever names none.
pub const DEFAULT_GROUP: &str = "default";

/// The longest name of a group, in bytes.
pub const MAX_GROUP_BYTES: usize = 255;

/// Names an LB group. Calls of a group run only on that group's runners.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(String);

impl GroupId {
    /// Takes any text as a group's name.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The group that calls run in: the one that the app is pinned to, else what the merged configuration names (the
    /// function's word, else the app's), else [`DEFAULT_GROUP`]. An empty value counts as none.
    pub fn of(app_annotations: &Annotations, merged: &Config) -> Self {
        let name = groups::pin(app_annotations).or_else(|| groups::named(merged));
        Self(name.unwrap_or(DEFAULT_GROUP).to_owned())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
