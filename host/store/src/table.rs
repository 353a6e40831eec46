//! The tables, one a file: how things stand in rows, how they are found, and the writes that change them.

pub(crate) mod apps;
pub(crate) mod changes;
pub(crate) mod column;
pub(crate) mod functions;
pub(crate) mod groups;
mod listing;
pub(crate) mod tokens;
pub(crate) mod triggers;

use crate::failure::Outcome;
use crate::session::Session;
use async_trait::async_trait;
use remuda_core::port::Changed;

/// A change of the tables that is carried out in one transaction, again from the start when another transaction was
/// faster. It may read at will, and changes something by its last statement alone: so one that fails has changed
/// nothing, and others may share its transaction.
#[async_trait]
pub(crate) trait Write: Send + Sync + 'static {
    /// What it answers.
    type Output: Send + 'static;
    /// Does it. What others must hear of goes to `told`, and is stored at the end of the transaction.
    async fn carry_out(&self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<Self::Output>;
}
