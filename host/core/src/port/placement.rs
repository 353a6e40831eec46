//! Which runner is tried first.

use crate::{FnId, RunnerAddress};

/// Orders a group's runners for a call. Pure and quick: it is on every call's path.
pub trait Placement: Send + Sync + 'static {
    /// Fills `order` with indices into `candidates`, the first to try first. Indices left out are not tried.
    fn order(&self, function: &FnId, candidates: &[RunnerAddress], order: &mut Vec<usize>);
}
