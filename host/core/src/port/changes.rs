//! Word of what was changed in the catalogue, so that whoever remembers definitions need not ask again.

use crate::{AppId, FnId, TokenId};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

/// What may be different from what was answered before. Deleting an app or function is told of it alone: nothing is
/// reached any more through what was deleted along with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "changed", rename_all = "snake_case")]
pub enum Changed {
    /// An app was created, changed or deleted.
    App {
        /// Its id.
        id: AppId,
        /// Its name.
        name: String,
    },
    /// A function was created, changed or deleted.
    Function {
        /// Its id.
        id: FnId,
    },
    /// What answers requests for this source of the app; a trigger whose source changed is told of twice.
    Trigger {
        /// The app.
        app_id: AppId,
        /// The source, with its leading slash.
        source: String,
    },
    /// A token was made or revoked.
    Token {
        /// Its id.
        id: TokenId,
    },
    /// Anything: too much happened to tell it one by one.
    Everything,
}

/// What a watcher hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// From now on every change is told. What was answered before may be out of date.
    Began,
    /// These things were changed: questions asked from now on are answered accordingly.
    Changed(Vec<Changed>),
    /// Changes may go untold until the next [`News::Began`].
    Ended,
}

/// Tells of changes.
pub trait Changes: Send + Sync + 'static {
    /// News from now on, beginning with [`News::Began`] as soon as changes can be told. The stream goes on as long as
    /// its source does. A watcher that does not keep up hears [`Changed::Everything`] and costs nobody memory.
    fn watch(&self) -> BoxStream<'static, News>;
}
