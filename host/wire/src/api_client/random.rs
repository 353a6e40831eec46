//! Random numbers that need not be good ones: for not doing the same as everybody else.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Some number.
pub(super) fn number() -> u64 {
    // The standard library's maps are seeded with random numbers, of which one is borrowed here.
    RandomState::new().hash_one(0)
}

/// Some number that is less than `end`; zero if none is.
pub(super) fn below(end: usize) -> usize {
    let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
    usize::try_from(number() % end).unwrap_or_default()
}
