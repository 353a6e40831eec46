//! Every runner in its turn.

use remuda_core::port::Placement;
use remuda_core::{FnId, RunnerAddress};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Starts one runner further with every call, and goes round once. (Fn starts at the clock's nanoseconds, which spreads
/// calls as evenly in the mean, and unevenly in the short.)
#[derive(Debug, Default)]
pub struct Naive {
    start: AtomicUsize,
}

impl Naive {
    /// Starts at the first runner.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Placement for Naive {
    fn order(&self, _function: &FnId, candidates: &[RunnerAddress], order: &mut Vec<usize>) {
        super::rotate(self.start.fetch_add(1, Ordering::Relaxed), candidates.len(), order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_starts_one_runner_further() {
        let placement = Naive::new();
        let runners: Vec<_> = (1..4).map(|n| RunnerAddress::parse(&format!("r{n}:9190")).unwrap()).collect();
        let orders: Vec<Vec<usize>> = (0..4)
            .map(|_| {
                let mut order = Vec::new();
                placement.order(&FnId::new("f"), &runners, &mut order);
                order
            })
            .collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn no_runners_give_no_order() {
        let mut order = Vec::new();
        Naive::new().order(&FnId::new("f"), &[], &mut order);
        assert!(order.is_empty());
    }
}
