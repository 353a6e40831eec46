//! Objects as they are answered; the order of the fields is Fn's.

use remuda_core::{Annotations, App, Config, Function, Timestamp, Trigger};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct AppOut {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Config::is_empty")]
    config: Config,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
    #[serde(skip_serializing_if = "String::is_empty")]
    syslog_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    shape: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<App> for AppOut {
    fn from(app: App) -> Self {
        Self {
            id: app.id.to_string(),
            name: app.name,
            config: app.config,
            annotations: app.annotations,
            syslog_url: app.syslog_url,
            shape: app.shape,
            created_at: app.created_at,
            updated_at: app.updated_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct FnOut {
    id: String,
    name: String,
    app_id: String,
    image: String,
    memory: u64,
    timeout: u32,
    idle_timeout: u32,
    config: Config,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "String::is_empty")]
    shape: String,
    updated_at: Timestamp,
}

impl From<Function> for FnOut {
    fn from(function: Function) -> Self {
        Self {
            id: function.id.to_string(),
            name: function.name,
            app_id: function.app_id.to_string(),
            image: function.image,
            memory: function.memory.0,
            timeout: function.timeout_s,
            idle_timeout: function.idle_timeout_s,
            config: function.config,
            annotations: function.annotations,
            created_at: function.created_at,
            shape: function.shape,
            updated_at: function.updated_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct TriggerOut {
    id: String,
    name: String,
    app_id: String,
    fn_id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
}

impl From<Trigger> for TriggerOut {
    fn from(trigger: Trigger) -> Self {
        Self {
            id: trigger.id.to_string(),
            name: trigger.name,
            app_id: trigger.app_id.to_string(),
            fn_id: trigger.fn_id.to_string(),
            created_at: trigger.created_at,
            updated_at: trigger.updated_at,
            kind: trigger.kind,
            source: trigger.source,
            annotations: trigger.annotations,
        }
    }
}
