//! Identifiers: 26 characters of Crockford's base 32, sortable by the time they were made.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits at 5 bits a character.
const LENGTH: usize = 26;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes any text as an id: ids of other nodes and other versions are opaque.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id!(/// Names an [`crate::App`].
    AppId);
id!(/// Names a [`crate::Function`].
    FnId);
id!(/// Names a [`crate::Trigger`].
    TriggerId);
id!(/// Names one invocation.
    CallId);
id!(/// Names a [`crate::access::Token`]; the part of it that is no secret.
    TokenId);
id!(/// Names a load balancer process; a restarted one has a new id.
    LbId);

/// Makes ids that no other source makes: 48 bits of unix milliseconds, 48 bits that are this source's own,
/// 32 bits of a counter (the layout of Fn's ids, so both sort together).
#[derive(Debug)]
pub struct IdSource {
    machine: u64,
    counter: AtomicU32,
}

impl IdSource {
    /// A source whose ids carry the low 48 bits of `machine`; choose them at random, once a process.
    pub fn new(machine: u64) -> Self {
        Self { machine: machine & 0xffff_ffff_ffff, counter: AtomicU32::new(0) }
    }

    /// The next id's text; `now` is the wall clock.
    pub fn next(&self, now: crate::Timestamp) -> String {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let ms = (now.unix_ms().max(0) as u128) & 0xffff_ffff_ffff;
        encode(ms << 80 | (self.machine as u128) << 32 | count as u128)
    }
}

fn encode(value: u128) -> String {
    let mut text = [0u8; LENGTH];
    for (place, slot) in text.iter_mut().enumerate() {
        let shift = 5 * (LENGTH - 1 - place);
        *slot = ALPHABET[(value >> shift) as usize & 31];
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn ids_are_26_characters_and_sort_by_time() {
        let source = IdSource::new(u64::MAX);
        let early = source.next(Timestamp::from_unix_ms(1_700_000_000_000));
        let late = source.next(Timestamp::from_unix_ms(1_700_000_000_001));
        assert_eq!(early.len(), 26);
        assert!(early < late);
        assert!(early.bytes().all(|b| ALPHABET.contains(&b)));
        assert!(early.as_bytes()[0] <= b'7');
    }

    #[test]
    fn ids_made_in_the_same_millisecond_differ() {
        let source = IdSource::new(7);
        let now = Timestamp::from_unix_ms(1);
        assert_ne!(source.next(now), source.next(now));
    }
}
