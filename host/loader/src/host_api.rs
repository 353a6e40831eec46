//! What a plugin may ask of this host.

use abi_stable::std_types::RStr;
use remuda_plugin_api::abi::{HostApi, level};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::Level;

/// The target of plugins' log lines: `RUST_LOG=plugin=debug` shows more of them.
macro_rules! target {
    () => {
        "plugin"
    };
}

/// The longest log message and field text that is taken from a plugin, in bytes.
const TEXT_LIMIT: usize = 8 * 1024;

/// The host as one plugin sees it.
pub(crate) struct PluginHost {
    pub(crate) name: String,
}

impl PluginHost {
    fn emit(&self, code: u32, target: &str, message: &str, fields: &str) {
        let (message, fields) = (cut(message), cut(fields));
        let fields = (fields != "{}").then_some(fields);
        // Each level needs a call site of its own.
        macro_rules! emit {
            ($level:expr) => {
                tracing::event!(
                    target: target!(),
                    $level,
                    plugin.name = self.name.as_str(),
                    plugin.target = target,
                    fields,
                    "{message}"
                )
            };
        }
        match code {
            level::ERROR => emit!(Level::ERROR),
            level::WARN => emit!(Level::WARN),
            level::INFO => emit!(Level::INFO),
            level::DEBUG => emit!(Level::DEBUG),
            _ => emit!(Level::TRACE),
        }
    }
}

impl HostApi for PluginHost {
    fn log_enabled(&self, code: u32) -> bool {
        // A panic must not cross into the plugin.
        let enabled = || match code {
            level::ERROR => tracing::enabled!(target: target!(), Level::ERROR),
            level::WARN => tracing::enabled!(target: target!(), Level::WARN),
            level::INFO => tracing::enabled!(target: target!(), Level::INFO),
            level::DEBUG => tracing::enabled!(target: target!(), Level::DEBUG),
            _ => tracing::enabled!(target: target!(), Level::TRACE),
        };
        catch_unwind(enabled).unwrap_or(false)
    }

    fn log(&self, code: u32, target: RStr<'_>, message: RStr<'_>, fields_json: RStr<'_>) {
        let emit = || self.emit(code, target.as_str(), message.as_str(), fields_json.as_str());
        let _ = catch_unwind(AssertUnwindSafe(emit));
    }
}

/// The beginning of a text, up to the limit.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LIMIT)]
}
