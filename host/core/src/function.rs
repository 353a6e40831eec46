//! A function: an image, its limits and its settings.

use crate::{Annotations, AppId, Config, FnId, MemoryMb, Timestamp};

/// Code that can be called. Its name is unique in its app and never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Made by the store's caller; never reused.
    pub id: FnId,
    /// Any text that equals its own URL path escaping; at most 255 bytes.
    pub name: String,
    /// The app that owns it.
    pub app_id: AppId,
    /// The container image, as the engine names it.
    pub image: String,
    /// What one container of it may use.
    pub memory: MemoryMb,
    /// Seconds that one call may take, 1 to 300.
    pub timeout_s: u32,
    /// Seconds that an idle container is kept, 1 to 3600.
    pub idle_timeout_s: u32,
    /// Settings, laid over the app's.
    pub config: Config,
    /// Notes, laid over the app's.
    pub annotations: Annotations,
    /// Copied from the app at creation.
    pub shape: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
