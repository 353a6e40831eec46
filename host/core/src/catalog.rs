//! The rules about apps, functions and triggers: what may be created, and what a change makes of what is there. No
//! HTTP, no SQL, no clock: ids and the time are arguments. The texts and the order of the checks are Fn's, because
//! clients match on them.
//!
//! Each kind of thing has a module with a `Draft`: what a client sent, before any rule was applied. Drafts are for
//! both creation and change; a field that is empty or zero counts as not sent.

mod annotations;
pub mod app;
mod bounds;
pub mod function;
pub mod groups;
mod names;
mod syslog;
pub mod trigger;

pub use annotations::{MAX_DEPTH, MAX_KEY_BYTES, MAX_KEYS, MAX_VALUE_BYTES, with_annotation};
pub use bounds::{MAX_CONFIG_BYTES, MAX_IMAGE_BYTES, MAX_SOURCE_BYTES};

use crate::Config;

/// The longest name of an app, function or trigger, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// `current` with `change` laid on top; an empty value removes its key.
fn merge_config(current: &mut Config, change: Config) {
    for (key, value) in change {
        if value.is_empty() {
            current.remove(&key);
        } else {
            current.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_merged_config_holds_what_was_sent_and_keeps_the_rest(
            current: Config,
            change: Config,
        ) {
            let mut merged = current.clone();
            merge_config(&mut merged, change.clone());
            for (key, value) in &change {
                let expected = if value.is_empty() { None } else { Some(value) };
                prop_assert_eq!(merged.get(key), expected);
            }
            for (key, value) in &current {
                if !change.contains_key(key) {
                    prop_assert_eq!(merged.get(key), Some(value));
                }
            }
            prop_assert!(merged.keys().all(|key| current.contains_key(key) || change.contains_key(key)));
        }
    }
}
