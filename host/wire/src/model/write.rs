//! Writes the model, with the keys and in the order that Fn's balancer writes them.

use super::cpus;
use http::HeaderMap;
use remuda_core::{Annotations, Call, Config, Mode, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    status: &'static str,
    image: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
    method: &'a str,
    timeout: u64,
    idle_timeout: u64,
    #[serde(skip_serializing_if = "is_zero")]
    tmpfs_size: u32,
    memory: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<String>,
    #[serde(skip_serializing_if = "Config::is_empty")]
    config: &'a Config,
    #[serde(skip_serializing_if = "Annotations::is_empty")]
    annotations: &'a Annotations,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    syslog_url: &'a str,
    completed_at: Timestamp,
    created_at: Timestamp,
    started_at: Timestamp,
    app_id: &'a str,
    app_name: &'a str,
    trigger_id: &'a str,
    fn_id: &'a str,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Header names in Go's spelling (`Content-Type`): a runner written in Go looks them up by it.
struct Headers<'a>(&'a HeaderMap);

impl Headers<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            map.serialize_entry(&canonical(name.as_str()), &Values(self.0, name))?;
        }
        map.end()
    }
}

struct Values<'a>(&'a HeaderMap, &'a http::HeaderName);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.get_all(self.1).iter().map(|value| String::from_utf8_lossy(value.as_bytes())))
    }
}

fn canonical(name: &str) -> String {
    let mut upper = true;
    let spell = |byte: char| {
        let spelt = if upper { byte.to_ascii_uppercase() } else { byte };
        upper = byte == '-';
        spelt
    };
    name.chars().map(spell).collect()
}

/// The model of a call.
pub(crate) fn write(call: &Call) -> String {
    let target = &*call.target;
    let model = Model {
        id: call.id.as_str(),
        status: "running",
        image: &target.image,
        kind: match call.mode {
            Mode::Sync => "sync",
            Mode::Detached => "detached",
        },
        url: &call.url,
        method: call.method.as_str(),
        timeout: target.timeout.as_secs(),
        idle_timeout: target.idle_timeout.as_secs(),
        tmpfs_size: target.tmpfs_mb,
        memory: target.memory.0,
        cpus: (target.milli_cpus > 0).then(|| cpus::write(target.milli_cpus)),
        config: &target.config,
        annotations: &target.annotations,
        headers: Headers(&call.headers),
        syslog_url: &target.syslog_url,
        completed_at: Timestamp::UNSET,
        created_at: call.created_at,
        started_at: call.created_at,
        app_id: target.app_id.as_str(),
        app_name: &target.app_name,
        trigger_id: call.trigger_id.as_ref().map_or("", |id| id.as_str()),
        fn_id: target.fn_id.as_str(),
    };
    #[expect(clippy::expect_used, reason = "every key is text and every value has a JSON form")]
    serde_json::to_string(&model).expect("a call has a JSON form")
}
