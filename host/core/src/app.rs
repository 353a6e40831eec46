//! An app: a name for a set of functions that share settings and an LB group.

use crate::{Annotations, AppId, Config, Timestamp};

/// What a tenant groups functions under. Its name is unique and never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Made by the store's caller; never reused.
    pub id: AppId,
    /// Letters, digits, `_` and `-`; at most 255 bytes.
    pub name: String,
    /// Settings that every function of the app inherits.
    pub config: Config,
    /// Notes, inherited by every function of the app.
    pub annotations: Annotations,
    /// Where the functions' logs go, or empty.
    pub syslog_url: String,
    /// `""`, `GENERIC_X86`, `GENERIC_ARM` or `GENERIC_X86_ARM`.
    pub shape: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
