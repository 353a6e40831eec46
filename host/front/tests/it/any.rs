//! Whatever is sent, to whichever route: an answer, never a 500 and never a panic.

use crate::room::{Room, Sender, Tenant};
use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, Uri};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "ODD"];
const FIELDS: [&str; 17] = [
    "id",
    "name",
    "Config",
    "annotations",
    "syslog_url",
    "shape",
    "app_id",
    "image",
    "memory",
    "timeout",
    "idle_timeout",
    "fn_id",
    "type",
    "source",
    "created_at",
    "apps",
    "remuda/lb-group",
];

#[derive(Clone, Debug)]
struct Anything {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    who: usize,
}

/// A JSON value of any shape, mostly strings that mean something somewhere.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop_oneof![Just("http"), Just("/x"), Just("a"), Just(""), Just("\0"), Just("tcp://h"), Just("APP")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key =
            prop_oneof![".{0,4}", Just("FN_LB_GROUP_ID".to_owned()), Just("remuda/lb-group".to_owned())];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let object = proptest::collection::vec((proptest::sample::select(&FIELDS[..]), value()), 0..8).prop_map(
        |fields| json!(fields.into_iter().collect::<std::collections::BTreeMap<_, _>>()).to_string(),
    );
    prop_oneof![
        3 => object.prop_map(String::into_bytes),
        1 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => any::<Vec<u8>>(),
    ]
}

/// A segment of a path: something that is there (the words are put in later), or anything escaped or not.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("APP".to_owned()),
        Just("FUNCTION".to_owned()),
        Just("TRIGGER".to_owned()),
        "[a-z]{0,6}",
        any::<Vec<u8>>().prop_map(|bytes| bytes.iter().take(12).map(|byte| format!("%{byte:02X}")).collect()),
        "[!-\"$-.:->@-~]{0,6}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let root = prop_oneof![
        Just("/"),
        Just("/version"),
        Just("/readyz"),
        Just("/metrics"),
        Just("/v2"),
        Just("/v2/apps"),
        Just("/v2/fns"),
        Just("/v2/triggers"),
        Just("/v2/groups"),
        Just("/v2/runner"),
        Just("/v2/runner/tokens"),
        Just("/invoke"),
        Just("/v2/runner/apps/APP/triggerBySource/http"),
        Just("/t"),
        Just("/t/app"),
        Just("/v2/apps/APP"),
        Just("/v2/fns/FUNCTION"),
        Just("/v2/triggers/TRIGGER"),
    ];
    let name = prop_oneof![
        Just("name"),
        Just("app_id"),
        Just("fn_id"),
        Just("cursor"),
        Just("per_page"),
        Just("x"),
        Just("")
    ];
    let query = proptest::collection::vec((name, segment()), 0..4);
    (root, proptest::collection::vec(segment(), 0..3), query).prop_map(|(root, segments, query)| {
        let path = segments.iter().fold(root.to_owned(), |path, segment| format!("{path}/{segment}"));
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{path}?{}", query.join("&"))
    })
}

fn anything() -> impl Strategy<Value = Anything> {
    let name = prop_oneof![
        Just("authorization".to_owned()),
        Just("content-length".to_owned()),
        Just("fn-invoke-type".to_owned()),
        Just("host".to_owned()),
        Just("fn-call-id".to_owned()),
        Just("remuda-auth".to_owned()),
        Just("connection".to_owned()),
        Just("expect".to_owned()),
        "[a-z-]{1,12}",
    ];
    let said = prop_oneof![
        any::<Vec<u8>>(),
        Just(b"Bearer rmd_T0_x".to_vec()),
        Just(b"detached".to_vec()),
        Just(b"5".to_vec())
    ];
    let headers = proptest::collection::vec((name, said), 0..5);
    (proptest::sample::select(&METHODS[..]), path(), headers, body(), 0..3usize)
        .prop_map(|(method, path, headers, body, who)| Anything { method, path, headers, body, who })
}

fn request(any: &Anything, tenant: &Tenant) -> Option<Request<Body>> {
    let there = |text: &str| {
        let text = text.replace("APP", &tenant.app).replace("FUNCTION", &tenant.function);
        text.replace("TRIGGER", &tenant.trigger)
    };
    // What cannot be the target of a request never gets as far as a router; and a watch never ends.
    let uri: Uri = there(&any.path).parse().ok()?;
    let body = String::from_utf8(any.body.clone()).map(|text| there(&text).into_bytes());
    let mut request = Request::builder().method(any.method).uri(uri);
    for (name, value) in &any.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_bytes(value)) {
            request = request.header(name, value);
        }
    }
    Some(request.body(Body::from(body.unwrap_or_else(|_| any.body.clone()))).unwrap())
}

/// What is there for requests to find; made anew when one has deleted some of it.
async fn made(room: &Room, who: &Sender, before: Option<Tenant>) -> Tenant {
    if let Some(tenant) = before {
        let path = format!("GET /v2/triggers/{}", tenant.trigger);
        if room.ask(who, &path, "").await.status == 200 {
            return tenant;
        }
        room.ask(who, &format!("DELETE /v2/apps/{}", tenant.app), "").await;
    }
    room.tenant(who, "app").await
}

fn never_fails(room: &Room, senders: &[Sender]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let known = Mutex::new(None);
    let answered = Mutex::new(BTreeSet::new());
    let mut runner = TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&anything(), |any| {
        let before = known.lock().unwrap().take();
        let tenant = runtime.block_on(made(room, &senders[0], before));
        let request = request(&any, &tenant);
        *known.lock().unwrap() = Some(tenant);
        let Some(request) = request else { return Ok(()) };
        let told = runtime.block_on(async {
            tokio::time::timeout(crate::node::LIMIT, room.send(&senders[any.who], request)).await.unwrap()
        });
        answered.lock().unwrap().insert(told.status);
        prop_assert!(told.status != 500, "{told:?}");
        if (400..500).contains(&told.status) && any.method != "HEAD" && told.status != 410 {
            prop_assert!(!told.message().is_empty(), "{told:?}");
        }
        Ok(())
    });
    ran.unwrap();
    let answered = answered.into_inner().unwrap();
    assert!([200, 204, 400, 404, 405].iter().all(|status| answered.contains(status)), "{answered:?}");
}

#[test]
fn an_open_node_answers_anything_without_failing() {
    never_fails(&Room::open(), &[Sender::Anyone, Sender::Node, Sender::Holder("x".into())]);
}

#[test]
fn a_guarded_node_answers_anything_without_failing() {
    let room = Room::guarded();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let admin = runtime.block_on(room.admin());
    never_fails(&room, &[admin, Sender::Node, Sender::Anyone]);
}
