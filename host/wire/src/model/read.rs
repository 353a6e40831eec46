//! Reads the model, as tolerantly as Go's decoder: unknown keys, missing ones and nulls are fine.

use super::cpus;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use remuda_core::{
    Annotations, AppId, Call, CallId, Config, FnId, GroupId, MemoryMb, Mode, Target, Timestamp, TriggerId,
};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a call or an idle container may be given, in seconds: a day. Wide of the API's own limits, and
/// small enough that adding it to a time cannot overflow.
const LONGEST_S: u64 = 86_400;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Model {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    image: String,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: String,
    #[serde(deserialize_with = "or_default")]
    url: String,
    #[serde(deserialize_with = "or_default")]
    method: String,
    #[serde(deserialize_with = "or_default")]
    timeout: u64,
    #[serde(deserialize_with = "or_default")]
    idle_timeout: u64,
    #[serde(deserialize_with = "or_default")]
    tmpfs_size: u32,
    #[serde(deserialize_with = "or_default")]
    memory: u64,
    #[serde(deserialize_with = "or_default")]
    cpus: String,
    #[serde(deserialize_with = "or_default")]
    config: Config,
    #[serde(deserialize_with = "or_default")]
    annotations: Annotations,
    #[serde(deserialize_with = "or_default")]
    headers: BTreeMap<String, Option<Vec<String>>>,
    #[serde(deserialize_with = "or_default")]
    syslog_url: String,
    #[serde(deserialize_with = "or_default")]
    app_id: String,
    #[serde(deserialize_with = "or_default")]
    app_name: String,
    #[serde(deserialize_with = "or_default")]
    trigger_id: String,
    #[serde(deserialize_with = "or_default")]
    fn_id: String,
}

/// Null is what a missing key is.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// The call of a model. Its times belong to the balancer and are not looked at; it begins here, `now`. The error is
/// what the parser says.
pub(crate) fn read(json: &str, now: Timestamp) -> Result<Call, String> {
    // A derived reader takes a list for an object whose keys are in order.
    if !json.trim_start().starts_with('{') {
        return Err("the call is not a JSON object".to_owned());
    }
    let model: Model = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let milli_cpus = cpus::parse(&model.cpus)?;
    let method = match model.method.as_str() {
        "" => Method::POST,
        text => text.parse().map_err(|_| format!("invalid method {text:?}"))?,
    };
    let target = Target {
        app_id: AppId::new(model.app_id),
        app_name: model.app_name,
        fn_id: FnId::new(model.fn_id),
        image: model.image,
        memory: MemoryMb(model.memory),
        tmpfs_mb: model.tmpfs_size,
        milli_cpus,
        timeout: Duration::from_secs(model.timeout.min(LONGEST_S)),
        idle_timeout: Duration::from_secs(model.idle_timeout.min(LONGEST_S)),
        group: GroupId::of(&model.annotations, &model.config),
        config: model.config,
        annotations: model.annotations,
        syslog_url: model.syslog_url,
    };
    Ok(Call {
        id: CallId::new(model.id),
        target: Arc::new(target),
        trigger_id: Some(model.trigger_id).filter(|id| !id.is_empty()).map(TriggerId::new),
        mode: if model.kind == "detached" { Mode::Detached } else { Mode::Sync },
        method,
        url: model.url,
        headers: headers(model.headers),
        created_at: now,
    })
}

/// What is no header in HTTP is left out: a function could not be given it anyway.
fn headers(from: BTreeMap<String, Option<Vec<String>>>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(from.len());
    for (name, values) in from {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        for value in values.unwrap_or_default() {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name.clone(), value);
            }
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    fn sample() -> Call {
        let mut headers = HeaderMap::new();
        headers.append("content-type", HeaderValue::from_static("text/plain"));
        headers.append("x-two", HeaderValue::from_static("a"));
        headers.append("x-two", HeaderValue::from_static("b \"quoted\""));
        let config = Config::from([
            ("FN_LB_GROUP_ID".to_owned(), "blue".to_owned()),
            ("FN_MEMORY".to_owned(), "128".to_owned()),
        ]);
        Call {
            id: CallId::new("01M7WJPG9VR00040KDP400000D"),
            target: Arc::new(Target {
                app_id: AppId::new("app"),
                app_name: "myapp".into(),
                fn_id: FnId::new("fn"),
                image: "x/y:1".into(),
                memory: MemoryMb(128),
                tmpfs_mb: 0,
                milli_cpus: 0,
                timeout: Duration::from_secs(30),
                idle_timeout: Duration::from_secs(31),
                group: GroupId::of(&Annotations::new(), &config),
                config,
                annotations: Annotations::from([("k".to_owned(), serde_json::json!({"a": [1]}))]),
                syslog_url: String::new(),
            }),
            trigger_id: None,
            mode: Mode::Sync,
            method: Method::POST,
            url: "http://h/invoke/fn".into(),
            headers,
            created_at: NOW,
        }
    }

    #[test]
    fn a_model_is_written_with_fns_keys_in_fns_order() {
        assert_eq!(
            write(&sample()),
            concat!(
                r#"{"id":"01M7WJPG9VR00040KDP400000D","status":"running","image":"x/y:1","type":"sync","#,
                r#""url":"http://h/invoke/fn","method":"POST","timeout":30,"idle_timeout":31,"memory":128,"#,
                r#""config":{"FN_LB_GROUP_ID":"blue","FN_MEMORY":"128"},"annotations":{"k":{"a":[1]}},"#,
                r#""headers":{"Content-Type":["text/plain"],"X-Two":["a","b \"quoted\""]},"#,
                r#""completed_at":"0001-01-01T00:00:00.000Z","created_at":"2027-01-15T08:00:00.000Z","#,
                r#""started_at":"2027-01-15T08:00:00.000Z","app_id":"app","app_name":"myapp","trigger_id":"","#,
                r#""fn_id":"fn"}"#
            )
        );
    }

    #[test]
    fn a_written_model_is_read_back() {
        let sent = sample();
        let arrived = read(&write(&sent), NOW).unwrap();
        assert_eq!(format!("{arrived:?}"), format!("{sent:?}"));
        assert_eq!(arrived.target, sent.target);
    }

    #[test]
    fn limits_and_modes_are_read_back() {
        let mut sent = sample();
        sent.mode = Mode::Detached;
        sent.trigger_id = Some(TriggerId::new("t"));
        let target = Arc::make_mut(&mut sent.target);
        (target.milli_cpus, target.tmpfs_mb, target.syslog_url) = (250, 64, "udp://h:1".into());
        let arrived = read(&write(&sent), NOW).unwrap();
        assert_eq!(arrived.target, sent.target);
        assert_eq!((arrived.mode, arrived.trigger_id), (Mode::Detached, Some(TriggerId::new("t"))));
    }

    #[test]
    fn unknown_missing_and_null_keys_are_tolerated() {
        let json = r#"{"id":"c","future":{"x":1},"config":null,"headers":{"A":null,"bad name":["x"]},"stats":[1],
            "created_at":"0001-01-01T00:00:00.000Z","completed_at":"nonsense","cpus":"0.1","execution_duration":7}"#;
        let call = read(json, NOW).unwrap();
        assert_eq!((call.id.as_str(), call.target.milli_cpus, call.created_at), ("c", 100, NOW));
        assert!(call.headers.is_empty());
        assert_eq!(call.target.group.as_str(), "default");
        assert_eq!(call.method, Method::POST);
    }

    #[test]
    fn what_is_not_a_model_is_an_error() {
        for json in ["", "[]", "nonsense", r#"{"timeout":-1}"#, r#"{"cpus":"lots"}"#, r#"{"method":"a b"}"#] {
            assert!(read(json, NOW).is_err(), "{json}");
        }
    }

    #[test]
    fn absurd_durations_are_cut() {
        let call = read(r#"{"timeout":18446744073709551615}"#, NOW).unwrap();
        assert_eq!(call.target.timeout.as_secs(), LONGEST_S);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,200}") {
            let _ = read(&text, NOW);
        }

        #[test]
        fn any_url_and_setting_survive(url in ".{0,60}", key in ".{1,20}", value in ".{0,60}") {
            let mut sent = sample();
            sent.url = url;
            Arc::make_mut(&mut sent.target).config.insert(key, value);
            let arrived = read(&write(&sent), NOW).unwrap();
            prop_assert_eq!(&arrived.url, &sent.url);
            prop_assert_eq!(&arrived.target.config, &sent.target.config);
        }
    }
}
