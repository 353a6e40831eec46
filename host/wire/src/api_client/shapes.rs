//! The v2 API's JSON as it is read. Missing keys and nulls are what their absence means.

use bytes::Bytes;
use remuda_core::{
    Annotations, App, AppId, Config, FnId, Function, MemoryMb, Timestamp, Trigger, TriggerId, trigger,
};
use serde::Deserialize;

pub(super) const NO_APP: &str = "App not found";
pub(super) const NO_FN: &str = "Fn not found";
pub(super) const NO_TRIGGER: &str = "Trigger not found";

/// Which of Fn's messages a 404 carries, if one: an unknown app may be the reason why a trigger is not found.
pub(super) fn not_found(body: &Bytes) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let said: Message = serde_json::from_slice(body).ok()?;
    [NO_APP, NO_FN, NO_TRIGGER].into_iter().find(|known| *known == said.message)
}

#[derive(Deserialize)]
pub(super) struct AppList {
    #[serde(default)]
    pub(super) items: Vec<AppShape>,
}

#[derive(Deserialize)]
pub(super) struct AppShape {
    id: String,
    name: String,
    config: Option<Config>,
    annotations: Option<Annotations>,
    syslog_url: Option<String>,
    shape: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl From<AppShape> for App {
    fn from(app: AppShape) -> Self {
        Self {
            id: AppId::new(app.id),
            name: app.name,
            config: app.config.unwrap_or_default(),
            annotations: app.annotations.unwrap_or_default(),
            syslog_url: app.syslog_url.unwrap_or_default(),
            shape: app.shape.unwrap_or_default(),
            created_at: app.created_at.unwrap_or(Timestamp::UNSET),
            updated_at: app.updated_at.unwrap_or(Timestamp::UNSET),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct FnShape {
    id: String,
    name: String,
    app_id: String,
    image: String,
    memory: u64,
    timeout: u32,
    idle_timeout: u32,
    config: Option<Config>,
    annotations: Option<Annotations>,
    shape: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl From<FnShape> for Function {
    fn from(function: FnShape) -> Self {
        Self {
            id: FnId::new(function.id),
            name: function.name,
            app_id: AppId::new(function.app_id),
            image: function.image,
            memory: MemoryMb(function.memory),
            timeout_s: function.timeout,
            idle_timeout_s: function.idle_timeout,
            config: function.config.unwrap_or_default(),
            annotations: function.annotations.unwrap_or_default(),
            shape: function.shape.unwrap_or_default(),
            created_at: function.created_at.unwrap_or(Timestamp::UNSET),
            updated_at: function.updated_at.unwrap_or(Timestamp::UNSET),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct TriggerShape {
    id: String,
    name: String,
    app_id: String,
    fn_id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    source: String,
    annotations: Option<Annotations>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl From<TriggerShape> for Trigger {
    fn from(from: TriggerShape) -> Self {
        Self {
            id: TriggerId::new(from.id),
            name: from.name,
            app_id: AppId::new(from.app_id),
            fn_id: FnId::new(from.fn_id),
            kind: from.kind.unwrap_or_else(|| trigger::HTTP.to_owned()),
            source: from.source,
            annotations: from.annotations.unwrap_or_default(),
            created_at: from.created_at.unwrap_or(Timestamp::UNSET),
            updated_at: from.updated_at.unwrap_or(Timestamp::UNSET),
        }
    }
}
