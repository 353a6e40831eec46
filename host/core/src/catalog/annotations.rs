//! The rules about annotations.

use crate::group::PIN_KEY;
use crate::{Annotations, Fault};
use serde_json::Value;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 128;
/// The longest value, in bytes of compact JSON.
pub const MAX_VALUE_BYTES: usize = 512;
/// The most keys one thing may carry.
pub const MAX_KEYS: usize = 100;
/// How deep arrays and objects may stand in each other. Readers of JSON have limits of their own, and what stands in a
/// list is deeper still.
pub const MAX_DEPTH: usize = 32;

/// Says what is wrong with the annotations, if anything is.
pub(super) fn check(annotations: &Annotations) -> Result<(), Fault> {
    annotations.iter().try_for_each(|(key, value)| check_one(key, value))?;
    // An administrator's pin finds room beside whatever a tenant has put there.
    let own = annotations.len() - usize::from(annotations.contains_key(PIN_KEY));
    if own > MAX_KEYS {
        return Err(Fault::invalid(
            "Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)",
        ));
    }
    Ok(())
}

fn check_one(key: &str, value: &Value) -> Result<(), Fault> {
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::invalid(
            "Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace",
        ));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(Fault::invalid(
            "Invalid annotation key length, annotation keys may not be larger than 128 bytes",
        ));
    }
    if removes(value) {
        return Err(Fault::invalid(
            "Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or arrays",
        ));
    }
    if depth(value) > MAX_DEPTH {
        return Err(Fault::invalid(format!("Invalid annotation value, more than {MAX_DEPTH} levels deep")));
    }
    if value.to_string().len() > MAX_VALUE_BYTES {
        return Err(Fault::invalid(
            "Invalid annotation value length, annotation values may not be larger than 512 bytes when serialized as \
             JSON",
        ));
    }
    Ok(())
}

/// How many arrays and objects stand in each other. (The parser that made the value bounds the recursion.)
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// In a change, null and "" remove their key; nowhere may they be stored.
fn removes(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// `current` with `change` laid on top.
pub(super) fn merge(current: &mut Annotations, change: Annotations) {
    for (key, value) in change {
        if removes(&value) {
            current.remove(&key);
        } else {
            current.insert(key, value);
        }
    }
}

/// `annotations` with one more that the platform adds; unchanged when that would break the rules.
pub fn with_annotation(mut annotations: Annotations, key: &str, value: String) -> Annotations {
    let value = Value::String(value);
    let room = annotations.len() < MAX_KEYS || annotations.contains_key(key);
    if room && check_one(key, &value).is_ok() {
        annotations.insert(key.to_owned(), value);
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn one(key: &str, value: Value) -> Annotations {
        Annotations::from([(key.to_owned(), value)])
    }

    #[test]
    fn each_broken_rule_has_its_own_sentence() {
        let cases = [
            (one("", json!(1)), "Invalid annotation key,"),
            (one("a b", json!(1)), "Invalid annotation key,"),
            (one("é", json!(1)), "Invalid annotation key,"),
            (one(&"k".repeat(129), json!(1)), "Invalid annotation key length,"),
            (one("k", Value::Null), "Invalid annotation value,"),
            (one("k", json!("")), "Invalid annotation value,"),
            (one("k", json!("v".repeat(511))), "Invalid annotation value length,"),
            ((0..101).map(|n| (format!("k{n}"), json!(n))).collect(), "Invalid annotation change,"),
        ];
        for (annotations, sentence) in cases {
            let fault = check(&annotations).unwrap_err();
            assert!(fault.message.starts_with(sentence), "{} for {sentence}", fault.message);
        }
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        assert!(check(&one(&"k".repeat(128), json!("v".repeat(510)))).is_ok());
        assert!(check(&(0..100).map(|n| (format!("k{n}"), json!(n))).collect()).is_ok());
        for value in [json!(false), json!([]), json!({}), json!(0), json!("x")] {
            assert!(check(&one("k", value)).is_ok());
        }
    }

    #[test]
    fn a_pin_is_not_counted_and_depth_is_bounded() {
        let mut full: Annotations = (0..100).map(|n| (format!("k{n}"), json!(n))).collect();
        full.insert(PIN_KEY.to_owned(), json!("blue"));
        assert!(check(&full).is_ok());
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(check(&one("k", nested(MAX_DEPTH))).is_ok());
        let fault = check(&one("k", nested(MAX_DEPTH + 1))).unwrap_err();
        assert_eq!(fault.message, "Invalid annotation value, more than 32 levels deep");
    }

    #[test]
    fn an_annotation_of_the_platform_never_breaks_the_rules() {
        let full: Annotations = (0..100).map(|n| (format!("k{n}"), json!(n))).collect();
        assert_eq!(with_annotation(full.clone(), "more", "x".into()), full);
        assert_eq!(with_annotation(full, "k7", "x".into())["k7"], json!("x"));
    }

    proptest! {
        #[test]
        fn a_merge_of_allowed_annotations_stores_nothing_empty(
            current in proptest::collection::btree_map("[a-d]", 0..9i32, 0..4),
            change in proptest::collection::btree_map("[a-d]", prop_oneof![Just(None), (0..9i32).prop_map(Some)], 0..4),
        ) {
            let mut merged: Annotations = current.into_iter().map(|(k, v)| (k, json!(v))).collect();
            merge(&mut merged, change.iter().map(|(k, v)| (k.clone(), json!(v))).collect());
            prop_assert!(check(&merged).is_ok());
            for (key, value) in change {
                let expected = value.map(|v| json!(v));
                prop_assert_eq!(merged.get(&key), expected.as_ref());
            }
        }
    }
}
