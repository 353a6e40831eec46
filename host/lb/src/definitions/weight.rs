//! How many bytes things take in memory, about: so that a cache can be bounded by what it costs.

use remuda_core::access::Token;
use remuda_core::{Annotations, App, AppId, AppSet, Config, FnId, Function, TokenId, Trigger};
use serde_json::Value;

/// What an allocation costs besides its bytes.
const ALLOCATION: usize = 16;
/// Entries that a node of the standard library's B-trees has room for, those that it has at least, and what it takes
/// besides them.
const NODE_ROOM: usize = 11;
const NODE_LEAST: usize = 5;
const NODE_HEAD: usize = 16;

/// Something that may be large because a tenant makes it so.
pub(super) trait Weigh {
    /// The bytes it takes, itself included, once and for all: it is walked through.
    fn weigh(&self) -> usize;
}

fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATION }
}

/// A B-tree's nodes, without what its entries point to. A map with one entry costs a whole node.
fn nodes(entries: usize, entry_bytes: usize) -> usize {
    entries.div_ceil(NODE_LEAST) * heap(NODE_ROOM * entry_bytes + NODE_HEAD)
}

fn text(text: &str) -> usize {
    heap(text.len())
}

fn texts(all: &[&str]) -> usize {
    all.iter().map(|one| text(one)).sum()
}

fn config(config: &Config) -> usize {
    nodes(config.len(), size_of::<(String, String)>())
        + config.iter().map(|(key, value)| text(key) + text(value)).sum::<usize>()
}

fn annotations(annotations: &Annotations) -> usize {
    nodes(annotations.len(), size_of::<(String, Value)>())
        + annotations.iter().map(|(key, value)| text(key) + json(value)).sum::<usize>()
}

/// What a value points to. It is no deeper than what could be read.
fn json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(string) => heap(string.capacity()),
        Value::Array(items) => {
            heap(items.capacity() * size_of::<Value>()) + items.iter().map(json).sum::<usize>()
        }
        Value::Object(map) => {
            nodes(map.len(), size_of::<(String, Value)>())
                + map.iter().map(|(key, value)| text(key) + json(value)).sum::<usize>()
        }
    }
}

impl Weigh for App {
    fn weigh(&self) -> usize {
        let Self { id, name, config: its_config, annotations: notes, syslog_url, shape, .. } = self;
        size_of::<Self>()
            + texts(&[id.as_str(), name, syslog_url, shape])
            + config(its_config)
            + annotations(notes)
    }
}

impl Weigh for Function {
    fn weigh(&self) -> usize {
        let Self { id, name, app_id, image, config: its_config, annotations: notes, shape, .. } = self;
        size_of::<Self>()
            + texts(&[id.as_str(), name, app_id.as_str(), image, shape])
            + config(its_config)
            + annotations(notes)
    }
}

impl Weigh for Trigger {
    fn weigh(&self) -> usize {
        let Self { id, name, app_id, fn_id, kind, source, annotations: notes, .. } = self;
        let ids = [id.as_str(), app_id.as_str(), fn_id.as_str()];
        size_of::<Self>() + texts(&ids) + texts(&[name, kind, source]) + annotations(notes)
    }
}

impl Weigh for Token {
    fn weigh(&self) -> usize {
        let apps = match &self.apps {
            AppSet::All => 0,
            AppSet::Some(names) => {
                nodes(names.len(), size_of::<String>()) + names.iter().map(|name| text(name)).sum::<usize>()
            }
        };
        size_of::<Self>() + texts(&[self.id.as_str(), &self.note]) + apps
    }
}

impl Weigh for String {
    fn weigh(&self) -> usize {
        size_of::<Self>() + text(self)
    }
}

impl Weigh for AppId {
    fn weigh(&self) -> usize {
        size_of::<Self>() + text(self.as_str())
    }
}

impl Weigh for FnId {
    fn weigh(&self) -> usize {
        size_of::<Self>() + text(self.as_str())
    }
}

impl Weigh for TokenId {
    fn weigh(&self) -> usize {
        size_of::<Self>() + text(self.as_str())
    }
}

impl<A: Weigh, B: Weigh> Weigh for (A, B) {
    fn weigh(&self) -> usize {
        self.0.weigh() + self.1.weigh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight_of(text: &str) -> usize {
        json(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn json_weighs_what_it_takes_in_memory_and_not_what_its_text_does() {
        assert_eq!(weight_of("1"), 0);
        assert!(weight_of(&format!("\"{}\"", "x".repeat(1000))) >= 1000);
        let numbers = format!("[0{}]", ",0".repeat(999));
        assert!(weight_of(&numbers) >= 1000 * size_of::<Value>());
        // The worst case: each of these maps has a node of its own.
        let maps = format!("[{{\"\":0}}{}]", ",{\"\":0}".repeat(999));
        assert!(weight_of(&maps) >= 1000 * NODE_ROOM * size_of::<(String, Value)>());
    }
}
