//! Things that were not there a moment ago.

use papaya::Equivalent;
use remuda_core::{Fault, Moment};
use std::hash::Hash;
use std::time::Duration;

/// The most of them that are remembered. Past it all are forgotten, and asked for again.
const MOST: usize = 10_000;

/// Keeps those who ask for the same missing thing again and again from the source. Anyone can ask for what is not there,
/// so it is short and bounded.
pub(super) struct Absent<K> {
    age: Duration,
    things: papaya::HashMap<K, (Moment, Fault)>,
}

impl<K: Hash + Eq> Absent<K> {
    pub(super) fn new(age: Duration) -> Self {
        Self { age, things: papaya::HashMap::new() }
    }
    pub(super) fn get<Q: Equivalent<K> + Hash + ?Sized>(&self, key: &Q, now: Moment) -> Option<Fault> {
        let things = self.things.pin();
        let (asked, fault) = things.get(key)?;
        (now.since(*asked) < self.age).then(|| fault.clone())
    }
    pub(super) fn insert(&self, key: K, asked: Moment, fault: Fault) {
        let things = self.things.pin();
        if things.len() >= MOST {
            things.clear();
        }
        things.insert(key, (asked, fault));
    }
    pub(super) fn remove(&self, key: &K) {
        self.things.pin().remove(key);
    }
    pub(super) fn clear(&self) {
        self.things.pin().clear();
    }
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.things.len()
    }
}
