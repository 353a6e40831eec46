//! The placements that are built in, both as in Fn.

mod consistent_hash;
mod naive;

pub use consistent_hash::ConsistentHash;
pub use naive::Naive;

/// All of `0..count`, from `start` on and round; fills an empty `order`.
fn rotate(start: usize, count: usize, order: &mut Vec<usize>) {
    let first = start.checked_rem(count).unwrap_or(0);
    order.extend((first..count).chain(0..first));
}
