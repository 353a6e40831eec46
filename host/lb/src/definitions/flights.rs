//! The questions under way about one kind of definition. Who asks for what is being asked for already joins.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use remuda_core::Fault;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

pub(super) type Question<T> = BoxFuture<'static, Result<Arc<T>, Fault>>;
/// A question that several wait for. It goes on as long as one of them does.
pub(super) type Flight<T> = Shared<Question<T>>;

/// The questions that may still be joined, each with a number, so that one that ends removes itself and no later one.
/// A question that word of a change overtook is not here any more: its answer may be the old one.
pub(super) struct Flights<K, T> {
    by_key: HashMap<K, (u64, WeakShared<Question<T>>)>,
    last: u64,
}

impl<K: Hash + Eq, T> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self { by_key: HashMap::new(), last: 0 }
    }
    pub(super) fn under_way(&self, key: &K) -> Option<Flight<T>> {
        self.by_key.get(key).and_then(|(_, flight)| flight.upgrade())
    }
    /// The number for the next question.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
    pub(super) fn begin(&mut self, key: K, number: u64, question: Question<T>) -> Flight<T> {
        let flight = question.shared();
        if let Some(weak) = flight.downgrade() {
            self.by_key.insert(key, (number, weak));
        }
        flight
    }
    /// Whether nothing was heard about `key` since question `number` began.
    pub(super) fn holds(&self, key: &K, number: u64) -> bool {
        self.by_key.get(key).is_some_and(|(current, _)| *current == number)
    }
    pub(super) fn end(&mut self, key: &K, number: u64) {
        if self.holds(key, number) {
            self.by_key.remove(key);
        }
    }
    /// Who asks for `key` from now on asks anew.
    pub(super) fn overtake(&mut self, key: &K) {
        self.by_key.remove(key);
    }
    pub(super) fn overtake_all(&mut self) {
        self.by_key.clear();
    }
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
