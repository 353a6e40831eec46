//! Settings and notes that users put on apps, functions and triggers.

use std::collections::BTreeMap;

/// Key-value settings of an app or function; they become the function's environment.
pub type Config = BTreeMap<String, String>;

/// Notes on an app, function or trigger: a key and any JSON but null and "".
pub type Annotations = BTreeMap<String, serde_json::Value>;

/// `base` with every entry of `over` laid on top.
pub fn overlay<V: Clone>(base: &BTreeMap<String, V>, over: &BTreeMap<String, V>) -> BTreeMap<String, V> {
    let mut merged = base.clone();
    merged.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
    merged
}
