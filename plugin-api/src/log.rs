//! Sends the plugin's tracing events and panics to the host's log. A plugin library has statics of its own, those of
//! tracing and of std's panic hook included: without this, its words would go nowhere.

use crate::abi::{HostBox, level};
use crate::guard::payload_text;
use abi_stable::std_types::RStr;
use serde_json::{Map, Value};
use std::fmt;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Installs the bridge once for this library; where a subscriber is already set (the plugin was linked into a program
/// instead of loaded) that one stays.
pub(crate) fn install(host: &Arc<HostBox>) {
    static HOOK: Once = Once::new();
    let bridge = Bridge { host: Arc::clone(host), spans: AtomicU64::new(1) };
    if tracing::subscriber::set_global_default(bridge).is_ok() {
        let host = Arc::clone(host);
        HOOK.call_once(|| std::panic::set_hook(Box::new(move |info| report_panic(&host, info))));
    }
}

fn report_panic(host: &HostBox, info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let message = format!("plugin panicked at {place}: {}", payload_text(info.payload()));
    host.log(level::ERROR, RStr::from_str("panic"), RStr::from_str(&message), RStr::from_str("{}"));
}

struct Bridge {
    host: Arc<HostBox>,
    spans: AtomicU64,
}

impl Subscriber for Bridge {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The host's level may change while it runs, so no answer may be kept.
        Interest::sometimes()
    }
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.host.log_enabled(code_of(metadata.level()))
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Spans are not forwarded; a subscriber must still name them, and zero is no name.
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed).max(1))
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let fields = Value::Object(line.fields).to_string();
        self.host.log(
            code_of(event.metadata().level()),
            RStr::from_str(event.metadata().target()),
            RStr::from_str(&line.message),
            RStr::from_str(&fields),
        );
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn code_of(level: &Level) -> u32 {
    match *level {
        Level::ERROR => level::ERROR,
        Level::WARN => level::WARN,
        Level::INFO => level::INFO,
        Level::DEBUG => level::DEBUG,
        Level::TRACE => level::TRACE,
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: Map<String, Value>,
}

impl Line {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, format!("{value:?}"));
        }
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.put(field, value);
        }
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}
