//! Objects as they are answered; the order of the fields is Fn's.

use super::groups::ALL_APPS;
use remuda_core::access::{Identity, Token};
use remuda_core::catalog::groups::Group;
use remuda_core::{Annotations, App, AppSet, Config, Function, Timestamp, Trigger};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// An app.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "App")]
pub(crate) struct AppOut {
    id: String,
    name: String,
    /// Settings of its functions; left out where there are none, and for who may only call functions.
    #[serde(skip_serializing_if = "Config::is_empty")]
    config: Config,
    /// Notes.
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
    /// Where logs go; left out as `config` is.
    #[serde(skip_serializing_if = "String::is_empty")]
    syslog_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    shape: String,
    #[schemars(schema_with = "time")]
    created_at: Timestamp,
    /// When it last became another.
    #[schemars(schema_with = "time")]
    updated_at: Timestamp,
}

impl AppOut {
    /// The app as `who` is told of it.
    pub(super) fn told(app: App, who: &Identity) -> Self {
        let sees_config = who.sees_config();
        Self {
            id: app.id.to_string(),
            name: app.name,
            config: if sees_config { app.config } else { Config::new() },
            annotations: app.annotations,
            syslog_url: if sees_config { app.syslog_url } else { String::new() },
            shape: app.shape,
            created_at: app.created_at,
            updated_at: app.updated_at,
        }
    }
}

/// A function.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fn")]
pub(crate) struct FnOut {
    id: String,
    name: String,
    /// The app that it belongs to.
    app_id: String,
    image: String,
    /// Megabytes that one container may use.
    memory: u64,
    /// Seconds that one call may take.
    timeout: u32,
    /// Seconds that an idle container is kept.
    idle_timeout: u32,
    /// Settings; empty where there are none, and for who may only call functions.
    config: Config,
    /// Notes; in answers to all but a PUT, with the address that calls it.
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: Annotations,
    #[schemars(schema_with = "time")]
    created_at: Timestamp,
    /// The app's.
    #[serde(skip_serializing_if = "String::is_empty")]
    shape: String,
    /// When it last became another.
    #[schemars(schema_with = "time")]
    updated_at: Timestamp,
}

impl FnOut {
    /// The function as `who` is told of it.
    pub(super) fn told(function: Function, who: &Identity) -> Self {
        Self {
            id: function.id.to_string(),
            name: function.name,
            app_id: function.app_id.to_string(),
            image: function.image,
            memory: function.memory.0,
            timeout: function.timeout_s,
            idle_timeout: function.idle_timeout_s,
            config: if who.sees_config() { function.config } else { Config::new() },
            annotations: function.annotations,
            created_at: function.created_at,
            shape: function.shape,
            updated_at: function.updated_at,
        }
    }
}

/// A trigger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Trigger")]
pub(crate) struct TriggerOut {
    id: String,
    name: String,
    /// The app that it belongs to.
    app_id: String,
    /// The function that it calls.
    fn_id: String,
    #[schemars(schema_with = "time")]
    created_at: Timestamp,
    /// When it last became another.
    #[schemars(schema_with = "time")]
    updated_at: Timestamp,
    /// `http`.
    #[serde(rename = "type")]
    kind: String,
    /// The path under `/t/<app>` that calls the function.
    source: String,
    /// Notes; in answers to all but a PUT, with the address that calls it.
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

/// An LB group of the operator's list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub(crate) struct GroupOut {
    /// Its name.
    name: String,
    /// The names of the apps whose config may name it; `["*"]` is all apps.
    apps: Vec<String>,
    #[schemars(schema_with = "time")]
    created_at: Timestamp,
    #[schemars(schema_with = "time")]
    updated_at: Timestamp,
}

impl From<Group> for GroupOut {
    fn from(group: Group) -> Self {
        Self {
            name: group.id.to_string(),
            apps: names(&group.apps).unwrap_or_else(|| vec![ALL_APPS.to_owned()]),
            created_at: group.created_at,
            updated_at: group.updated_at,
        }
    }
}

/// All groups of the operator's list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GroupList")]
pub(crate) struct Groups {
    /// Ordered by name.
    pub(super) items: Vec<GroupOut>,
}

/// A token as nodes are told of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct TokenOut {
    /// The part of it that is no secret.
    id: String,
    /// `invoker`, `deployer` or `admin`.
    role: &'static str,
    /// The names of the apps that it is for; null: all apps.
    apps: Option<Vec<String>>,
    /// SHA-256 of its secret, in hexadecimal.
    hash: String,
    #[schemars(schema_with = "time")]
    created_at: Timestamp,
    /// When it stops working; null: never.
    #[schemars(schema_with = "maybe_time")]
    expires_at: Option<Timestamp>,
}

impl From<&Token> for TokenOut {
    fn from(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            role: token.role.as_str(),
            apps: names(&token.apps),
            hash: token.hash.to_hex(),
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}

/// An RFC 3339 time.
fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

fn maybe_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "format": "date-time"})
}

fn names(apps: &AppSet) -> Option<Vec<String>> {
    match apps {
        AppSet::All => None,
        AppSet::Some(names) => Some(names.iter().cloned().collect()),
    }
}
