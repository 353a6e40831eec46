//! A trigger: an HTTP path that calls a function.

use crate::{Annotations, AppId, FnId, Timestamp, TriggerId};

/// The only kind of trigger there is.
pub const HTTP: &str = "http";

/// Makes `/t/<app name><source>` call a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Made by the store's caller; never reused.
    pub id: TriggerId,
    /// Unique among the triggers of one function.
    pub name: String,
    /// The app that owns it.
    pub app_id: AppId,
    /// The function that it calls; of the same app.
    pub fn_id: FnId,
    /// [`HTTP`].
    pub kind: String,
    /// The path after the app's name, with its leading slash; matched exactly.
    pub source: String,
    /// Notes.
    pub annotations: Annotations,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
