//! The v2 API's JSON as it is read. Missing keys and nulls are what their absence means.

use bytes::Bytes;
use remuda_core::access::{Hash, Role, Token};
use remuda_core::{
    Annotations, App, AppId, AppSet, Config, FnId, Function, MemoryMb, Timestamp, TokenId, Trigger,
    TriggerId, trigger,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const NO_APP: &str = "App not found";
pub(super) const NO_FN: &str = "Fn not found";
pub(super) const NO_TRIGGER: &str = "Trigger not found";
pub(super) const NO_TOKEN: &str = "Token not found";

/// The most characters of a message that are logged.
const MESSAGE: usize = 300;

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// Which of Fn's messages a 404 carries, if one: an unknown app may be the reason why a trigger is not found.
pub(super) fn not_found(body: &Bytes) -> Option<&'static str> {
    let said: Message = serde_json::from_slice(body).ok()?;
    [NO_APP, NO_FN, NO_TRIGGER, NO_TOKEN].into_iter().find(|known| *known == said.message)
}

/// What an error's body says, for logs.
pub(super) fn message(body: &[u8]) -> String {
    let said = match serde_json::from_slice::<Message>(body) {
        Ok(said) => said.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE).collect()
}

/// Apps, each to be read by itself: so it may be nested as deeply as one that is asked for by its id.
#[derive(Deserialize)]
pub(super) struct AppList {
    #[serde(default)]
    pub(super) items: Vec<Box<RawValue>>,
}

/// Reads each annotation by itself: what may be stored as one can be read, wherever it stands.
fn annotations<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Annotations>, D::Error> {
    let Some(raw) = Option::<BTreeMap<String, Box<RawValue>>>::deserialize(from)? else { return Ok(None) };
    let read = |(key, value): (String, Box<RawValue>)| Ok((key, serde_json::from_str(value.get())?));
    let read: Result<Annotations, serde_json::Error> = raw.into_iter().map(read).collect();
    read.map(Some).map_err(D::Error::custom)
}

#[derive(Deserialize)]
pub(super) struct AppShape {
    id: String,
    name: String,
    config: Option<Config>,
    #[serde(default, deserialize_with = "annotations")]
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
    #[serde(default, deserialize_with = "annotations")]
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
    #[serde(default, deserialize_with = "annotations")]
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

#[derive(Deserialize)]
pub(super) struct TokenShape {
    id: String,
    role: String,
    apps: Option<BTreeSet<String>>,
    hash: String,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl TryFrom<TokenShape> for Token {
    type Error = &'static str;

    /// What cannot be read must not open anything: the token is then as unknown as if nobody had answered.
    fn try_from(token: TokenShape) -> Result<Self, Self::Error> {
        Ok(Self {
            id: TokenId::new(token.id),
            role: Role::parse(&token.role).ok_or("the token's role is not known to this release")?,
            apps: token.apps.map_or(AppSet::All, AppSet::Some),
            hash: Hash::from_hex(&token.hash).ok_or("the token's hash is not 64 hexadecimal digits")?,
            note: String::new(),
            created_at: token.created_at.unwrap_or(Timestamp::UNSET),
            expires_at: token.expires_at,
        })
    }
}
