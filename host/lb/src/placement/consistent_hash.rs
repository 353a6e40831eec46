//! A function's calls on the same runner, as long as it has room.

use remuda_core::port::Placement;
use remuda_core::{FnId, RunnerAddress};
use siphasher::sip::SipHasher24;

/// Fn's key of SipHash-2-4, so that our load balancers and Fn's agree on a function's runner.
const KEY: (u64, u64) = (0, 0x4c61_7279_426f_6174);

/// SipHash-2-4 of the function's id picks the first runner by Fn's integer jump hash; the others follow in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsistentHash;

impl Placement for ConsistentHash {
    fn order(&self, function: &FnId, candidates: &[RunnerAddress], order: &mut Vec<usize>) {
        let hash = SipHasher24::new_with_keys(KEY.0, KEY.1).hash(function.as_str().as_bytes());
        super::rotate(jump(hash, candidates.len()), candidates.len(), order);
    }
}

/// Fn's jump hash: integers only, and so not the buckets of Lamping and Veach's formula. 0 when there is no bucket.
/// Its rounding never gives bucket 1: of two runners, the second gets only what the first refuses. Kept, because load
/// balancers of both kinds must agree; our own default placement is another one.
fn jump(mut key: u64, buckets: usize) -> usize {
    let buckets = i64::try_from(buckets).unwrap_or(i64::MAX);
    let (mut bucket, mut next) = (0i64, 0i64);
    while next < buckets {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        // At least 1, so `next` grows; at most 2^31 + 1 times a number that fits a pool.
        let stretch = (1i64 << 31).checked_div((key >> 33) as i64).unwrap_or(1i64 << 31) + 1;
        next = (bucket + 1).saturating_mul(stretch);
    }
    usize::try_from(bucket).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_is_siphash_2_4() {
        // The first vectors of the reference implementation: key 00..0f, input 00..(n-1).
        let key = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let expected: [u64; 4] =
            [0x726f_db47_dd0e_0e31, 0x74f8_39c5_93dc_67fd, 0x0d6c_8009_d9a9_4f5a, 0x8567_6696_d7fb_7e2d];
        for (length, hash) in expected.into_iter().enumerate() {
            let input: Vec<u8> = (0u8..).take(length).collect();
            assert_eq!(SipHasher24::new_with_keys(key.0, key.1).hash(&input), hash, "{length} bytes");
        }
    }

    #[test]
    fn a_functions_runner_stays_and_the_others_follow_round() {
        let runners: Vec<_> = (1..6).map(|n| RunnerAddress::parse(&format!("r{n}:9190")).unwrap()).collect();
        let order_of = |id: &str| {
            let mut order = Vec::new();
            ConsistentHash.order(&FnId::new(id), &runners, &mut order);
            order
        };
        let order = order_of("01KA0000000000000000000001");
        assert_eq!(order, order_of("01KA0000000000000000000001"));
        assert!(order.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 5));
        let firsts: std::collections::HashSet<usize> =
            (0..200).map(|n| order_of(&format!("f{n}"))[0]).collect();
        assert_eq!(
            firsts,
            [0, 2, 3, 4].into(),
            "Fn's rounding leaves out the second runner, and only that one"
        );
    }

    #[test]
    fn no_runners_give_no_order() {
        let mut order = Vec::new();
        ConsistentHash.order(&FnId::new("f"), &[], &mut order);
        assert!(order.is_empty());
    }

    proptest! {
        #[test]
        fn one_runner_more_moves_a_function_there_or_not_at_all(key: u64, buckets in 1usize..2000) {
            let (before, after) = (jump(key, buckets), jump(key, buckets + 1));
            prop_assert!(before < buckets);
            prop_assert!(after == before || after == buckets);
        }
    }
}
