//! Whether a node wants traffic, and why not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the parts of a node: each may hold the node back from being ready, under its own name. A clone is the
/// same readiness.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<State>);

#[derive(Debug, Default)]
struct State {
    held_back: Mutex<BTreeMap<&'static str, String>>,
    draining: AtomicBool,
}

impl Readiness {
    /// Ready, until somebody holds it back.
    pub fn new() -> Self {
        Self::default()
    }

    /// The node is not ready because of `part`; `reason` is a sentence for operators, and public.
    pub fn hold_back(&self, part: &'static str, reason: impl Into<String>) {
        self.0.held_back.lock().unwrap_or_else(PoisonError::into_inner).insert(part, reason.into());
    }

    /// `part` is ready.
    pub fn release(&self, part: &str) {
        self.0.held_back.lock().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// The node is about to stop and wants no more traffic; for good.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// True once [`Readiness::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Why the node is not ready, by part; empty when it is.
    pub fn reasons(&self) -> BTreeMap<&'static str, String> {
        let mut reasons = self.0.held_back.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.is_draining() {
            reasons.insert("shutdown", "this node is shutting down".to_owned());
        }
        reasons
    }
}
