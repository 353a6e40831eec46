//! The document that describes a node, held against what the node does.

use crate::node::echo;
use crate::room::{Room, Sender, Told};
use remuda_core::access::{AppSet, Role};
use remuda_front::Access;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// Where the paths stand whose answers have no end.
const ENDLESS: &str = "x-endless-paths";

async fn document(room: &Room) -> Value {
    room.ask(&Sender::Anyone, "GET /openapi.json", "").await.object()
}

/// Every path of a document with its methods, in capitals.
fn operations(document: &Value) -> Vec<(&str, String, &Value)> {
    let paths = [&document["paths"], &document[ENDLESS]].into_iter().filter_map(Value::as_object).flatten();
    let all = paths.flat_map(|(path, item)| {
        let methods = METHODS.iter().filter_map(move |method| Some((*method, item.get(*method)?)));
        methods.map(move |(method, operation)| (path.as_str(), method.to_ascii_uppercase(), operation))
    });
    all.collect()
}

/// The operation that a request is for.
fn operation_of<'a>(document: &'a Value, request: &str) -> (&'a str, String) {
    let (method, target) = request.split_once(' ').unwrap();
    let path = target.split('?').next().unwrap();
    let fits = |template: &str| {
        let (mut parts, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (parts.next(), given.next()) {
                (None, None) => return true,
                (Some("{source}"), Some(_)) => return true,
                (Some(part), Some(given)) if part == given || part.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let all = operations(document);
    let found = all.iter().filter(|(template, of, _)| of == method && fits(template));
    let (template, method, _) = found
        .min_by_key(|(template, ..)| template.matches('{').count())
        .unwrap_or_else(|| panic!("{request}"));
    (template, method.to_ascii_lowercase())
}

/// What is wrong with an answer, by the document.
fn check(document: &Value, request: &str, told: &Told) -> Result<(), String> {
    let (template, method) = operation_of(document, request);
    let place = if document["paths"].get(template).is_some() { "paths" } else { ENDLESS };
    let responses = &document[place][template][&method]["responses"];
    let status = told.status.to_string();
    let key = if responses.get(&status).is_some() { status.as_str() } else { "default" };
    let response = responses.get(key).ok_or_else(|| format!("{status} is not in the document"))?;
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let value = told.headers.get(name.as_str()).ok_or_else(|| format!("no header {name}"))?;
        let expected = &header["schema"]["const"];
        if !expected.is_null() && expected != value.to_str().unwrap() {
            return Err(format!("{name}: {value:?}"));
        }
    }
    let Some(content) = response["content"].as_object() else {
        return if told.text.is_empty() { Ok(()) } else { Err("a body where there should be none".into()) };
    };
    let Some(schema) = content.get("application/json").and_then(|media| media.get("schema")) else {
        return Ok(());
    };
    let said = told.headers["content-type"].to_str().unwrap();
    if !said.starts_with("application/json") {
        return Err(format!("content-type: {said}"));
    }
    let whole = json!({"components": document["components"], "allOf": [schema]});
    let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
    let answer: Value = serde_json::from_str(&told.text).map_err(|error| error.to_string())?;
    validator.validate(&answer).map_err(|error| format!("{error} at {}", error.instance_path()))
}

/// Asks, and holds the answer against the document. What was asked is noted.
struct Prober<'a> {
    room: &'a Room,
    document: &'a Value,
    seen: BTreeSet<(String, String, u16)>,
}

impl Prober<'_> {
    async fn ask(&mut self, who: &Sender, request: &str, body: Value) -> Told {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let told = self.room.ask(who, request, body).await;
        if let Err(why) = check(self.document, request, &told) {
            panic!("{request}: {why}: {told:?}");
        }
        let (template, method) = operation_of(self.document, request);
        self.seen.insert((template.to_owned(), method, told.status));
        told
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_served_and_nothing_else_is() {
    let room = Room::open();
    let document = document(&room).await;
    let described = operations(&document);
    assert!(described.len() > 30, "{}", described.len());
    let by_path: BTreeSet<_> = described.iter().map(|(path, ..)| *path).collect();
    for path in by_path {
        let target = path.replace(['{', '}'], "");
        for method in METHODS.map(str::to_ascii_uppercase) {
            let is_described = described.iter().any(|(of, named, _)| *of == path && *named == method);
            if path == "/v2/runner/changes" && method == "GET" {
                assert!(is_described);
                continue;
            }
            let told = room.ask(&Sender::Anyone, &format!("{method} {target}"), "").await;
            let is_served = told.status != 405 && !told.text.contains("Path not found");
            assert_eq!(is_served, is_described, "{method} {path}: {told:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let room = Room::guarded();
    let document = document(&room).await;
    let admin = room.admin().await;
    let mut prober = Prober { room: &room, document: &document, seen: BTreeSet::new() };
    let all = requests(&mut prober, &admin).await;
    // Of others, and of nobody.
    let other = room.holder(Role::Invoker, AppSet::of(["other"])).await;
    for request in &all {
        for who in [&other, &Sender::Anyone] {
            prober.ask(who, request, Value::Null).await;
        }
    }
    for node in ["GET /v2/runner/tokens/T0", "GET /v2/runner/tokens/none"] {
        prober.ask(&Sender::Node, node, Value::Null).await;
    }
    room.readiness.hold_back("store", "the database is away");
    prober.ask(&Sender::Anyone, "GET /readyz", Value::Null).await;
    room.readiness.drain();
    for request in ["GET /readyz", "GET /version"] {
        assert_eq!(prober.ask(&Sender::Anyone, request, Value::Null).await.status, 503);
    }
    for (path, method, _) in operations(&document) {
        let was_asked = prober.seen.iter().any(|(at, of, _)| at == path && of.to_ascii_uppercase() == method);
        assert!(was_asked || path == "/v2/runner/changes" || path.starts_with("/t/"), "{method} {path}");
    }
    for (path, method, status) in [
        ("/v2/apps", "post", 409),
        ("/v2/apps", "get", 400),
        ("/v2/fns/{fn_id}", "put", 404),
        ("/v2/fns/{fn_id}/calls", "get", 410),
        ("/v2/runner/tokens/{token_id}", "get", 200),
        ("/v2/triggers", "post", 401),
    ] {
        assert!(
            prober.seen.contains(&(path.to_owned(), method.to_owned(), status)),
            "{method} {path} {status}"
        );
    }
}

/// Asks everything once, well and badly. What each asked, without bodies.
async fn requests(prober: &mut Prober<'_>, who: &Sender) -> Vec<String> {
    let notes = json!({"a": 1, "b": [true]});
    let app = json!({"name": "a", "config": {"K": "v"}, "annotations": notes, "syslog_url": "tcp://h:1", "shape": "GENERIC_ARM"});
    let id = |told: Told| told.object()["id"].as_str().unwrap().to_owned();
    let app_id = id(prober.ask(who, "POST /v2/apps", app.clone()).await);
    prober.ask(who, "POST /v2/apps", json!({"name": "b"})).await.object();
    let function = json!({"name": "f", "app_id": app_id, "image": "i", "memory": 64, "config": {"K": "v"}});
    let fn_id = id(prober.ask(who, "POST /v2/fns", function.clone()).await);
    let trigger = json!({"name": "t", "app_id": app_id, "fn_id": fn_id, "type": "http", "source": "/x"});
    let trigger_id = id(prober.ask(who, "POST /v2/triggers", trigger.clone()).await);
    let mut all = Vec::new();
    for (request, body) in [
        ("GET /".to_owned(), Value::Null),
        ("GET /version".to_owned(), Value::Null),
        ("GET /readyz".to_owned(), Value::Null),
        ("GET /metrics".to_owned(), Value::Null),
        ("GET /openapi.json".to_owned(), Value::Null),
        ("GET /v2/openapi.json".to_owned(), Value::Null),
        ("POST /v2/apps".to_owned(), app),
        ("POST /v2/fns".to_owned(), function),
        ("POST /v2/triggers".to_owned(), trigger),
        ("GET /v2/apps".to_owned(), Value::Null),
        ("GET /v2/apps?per_page=1".to_owned(), Value::Null),
        ("GET /v2/apps?cursor=!".to_owned(), Value::Null),
        (format!("GET /v2/fns?app_id={app_id}"), Value::Null),
        ("GET /v2/fns".to_owned(), Value::Null),
        (format!("GET /v2/triggers?app_id={app_id}"), Value::Null),
        ("GET /v2/triggers".to_owned(), Value::Null),
        (format!("GET /v2/runner/apps/{app_id}/triggerBySource/http//x"), Value::Null),
        (format!("GET /v2/runner/apps/{app_id}/triggerBySource/http//y"), Value::Null),
        ("GET /v2/runner/tokens/T0".to_owned(), Value::Null),
        (format!("POST /invoke/{fn_id}"), json!({"in": 1})),
        ("GET /t/a/x".to_owned(), Value::Null),
        ("POST /t/a/nothing".to_owned(), Value::Null),
        (format!("GET /v2/fns/{fn_id}/calls"), Value::Null),
        (format!("GET /v2/fns/{fn_id}/calls/c"), Value::Null),
        (format!("GET /v2/fns/{fn_id}/calls/c/log"), Value::Null),
        ("PUT /v2/groups/g".to_owned(), json!({"apps": ["a"]})),
        ("PUT /v2/groups/g".to_owned(), json!({"apps": 1})),
        ("PUT /v2/groups/h".to_owned(), json!({})),
        ("GET /v2/groups".to_owned(), Value::Null),
        ("GET /v2/groups/g".to_owned(), Value::Null),
        ("DELETE /v2/groups/g".to_owned(), Value::Null),
        ("GET /v2/groups/g".to_owned(), Value::Null),
    ] {
        prober.ask(who, &request, body).await;
        all.push(request);
    }
    for (kind, id) in [("triggers", &trigger_id), ("fns", &fn_id), ("apps", &app_id)] {
        let of = format!("/v2/{kind}/{id}");
        for (request, body) in [
            (format!("GET {of}"), Value::Null),
            (format!("PUT {of}"), json!({"annotations": {"c": "x"}})),
            (format!("PUT {of}"), json!({"annotations": 5})),
            (format!("PUT {of}"), json!({"id": "other"})),
            (format!("DELETE {of}"), Value::Null),
            (format!("GET {of}"), Value::Null),
            (format!("PUT {of}"), json!({})),
            (format!("DELETE {of}"), Value::Null),
        ] {
            prober.ask(who, &request, body).await;
            all.push(request);
        }
    }
    all
}

/// What the document says is no object for the API is none for the API either.
#[tokio::test]
async fn what_the_document_rules_out_is_refused() {
    let room = Room::open();
    let document = document(&room).await;
    let tenant = room.tenant(&Sender::Anyone, "mine").await;
    let long = "x".repeat(256);
    let (app, function) = (&tenant.app, &tenant.function);
    let new_app = json!({"name": "n"});
    let new_fn = json!({"name": "n", "app_id": app, "image": "i"});
    let new_trigger = json!({"name": "n", "app_id": app, "fn_id": function, "type": "http", "source": "/n"});
    let odd = [
        json!(null),
        json!(""),
        json!(long),
        json!("a b"),
        json!(5),
        json!(-1),
        json!(8193),
        json!(3601),
        json!(1.5),
        json!(true),
        json!([]),
        json!([""]),
        json!([1]),
        json!({}),
        json!({"": "x"}),
        json!({"k": null}),
        json!({"k": 5}),
        json!({"k": ""}),
        json!({"a=b": "c"}),
        json!({"a b": "c"}),
        json!("http"),
        json!("/p"),
        json!("2026-01-01T00:00:00Z"),
        json!("GENERIC_ARM"),
    ];
    let mut ruled_out = 0;
    for (request, schema, base) in [
        ("POST /v2/apps".to_owned(), "NewApp", &new_app),
        ("POST /v2/fns".to_owned(), "NewFn", &new_fn),
        ("POST /v2/triggers".to_owned(), "NewTrigger", &new_trigger),
        (format!("PUT /v2/apps/{app}"), "AppChange", &json!({})),
        (format!("PUT /v2/fns/{function}"), "FnChange", &json!({})),
        (format!("PUT /v2/triggers/{}", tenant.trigger), "TriggerChange", &json!({})),
        ("PUT /v2/groups/g".to_owned(), "GroupChange", &json!({"apps": ["a"]})),
    ] {
        let schema = &document["components"]["schemas"][schema];
        let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        assert!(validator.is_valid(base), "{request}");
        let fields = schema["properties"].as_object().unwrap();
        for (field, value) in fields.keys().flat_map(|field| odd.iter().map(move |value| (field, value))) {
            let mut body = base.clone();
            body[field] = value.clone();
            if !validator.is_valid(&body) {
                ruled_out += 1;
                let told = room.ask(&Sender::Anyone, &request, &body).await;
                assert!((400..500).contains(&told.status), "{request} {body}: {told:?}");
            }
        }
        for field in base.as_object().unwrap().keys() {
            let mut body = base.clone();
            body.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&body), "{request} without {field}");
            assert_eq!(
                room.ask(&Sender::Anyone, &request, &body).await.status,
                400,
                "{request} without {field}"
            );
        }
    }
    assert!(ruled_out > 300, "{ruled_out}");
}

#[tokio::test]
async fn a_node_describes_what_it_serves_and_needs_no_identity_for_that() {
    for room in [Room::open(), Room::guarded()] {
        for request in
            ["GET /openapi.json", "GET /v2/openapi.json", "GET /version", "GET /readyz", "GET /metrics"]
        {
            let told = room.ask(&Sender::Anyone, request, "").await;
            assert_eq!(told.status, 200, "{request}");
            let told = room.ask(&Sender::Holder("wrong".into()), request, "").await;
            assert_eq!(told.status, 200, "{request} with a wrong token");
        }
    }
    let api = document(&Room::with(|ports| ports.invoking = None, echo())).await;
    assert!(api["paths"].get("/v2/apps").is_some() && api["paths"].get("/invoke/{fn_id}").is_none());
    let lb = Room::with(|ports| (ports.management, ports.access) = (None, Access::Open), echo());
    let lb_document = document(&lb).await;
    assert!(lb_document["paths"].get("/v2/apps").is_none());
    assert!(lb_document["paths"].get("/invoke/{fn_id}").is_some());
    assert_eq!(lb.ask(&Sender::Anyone, "GET /v2/openapi.json", "").await.status, 404);
}

#[tokio::test]
async fn tokens_are_in_the_document_of_a_guarded_node_only() {
    let open = document(&Room::open()).await;
    assert!(
        !open.to_string().contains("security")
            && open["paths"]["/v2/apps"]["get"]["responses"].get("401").is_none()
    );
    let guarded = document(&Room::guarded()).await;
    assert_eq!(guarded["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let of = |path: &str| guarded["paths"][path]["get"]["security"].clone();
    assert_eq!(of("/v2/apps"), json!([{"token": []}]));
    assert_eq!(of("/version"), json!([]));
    assert_eq!(of("/v2/runner/tokens/{token_id}"), json!([{"node": []}]));
    let refused = &guarded["paths"]["/v2/apps"]["get"]["responses"]["401"];
    assert_eq!(refused["headers"]["Www-Authenticate"]["schema"]["const"], "Bearer");
}

#[tokio::test]
async fn operations_have_names_of_their_own() {
    let document = document(&Room::open()).await;
    let all = operations(&document);
    let names: BTreeSet<_> =
        all.iter().map(|(.., operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), all.len());
}

#[tokio::test]
async fn links_lead_to_what_the_document_describes() {
    let document = document(&Room::open()).await;
    let all = operations(&document);
    let mut count = 0;
    for (path, _, operation) in &all {
        for (to, link) in operation["responses"]["200"]["links"].as_object().into_iter().flatten() {
            let target = all.iter().find(|(.., operation)| operation["operationId"] == **to);
            let (target_path, _, target) = target.unwrap_or_else(|| panic!("{path}: {to}"));
            for parameter in link["parameters"].as_object().into_iter().flat_map(|all| all.keys()) {
                let in_query = target["parameters"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one["name"] == **parameter));
                assert!(in_query || target_path.contains(&format!("{{{parameter}}}")), "{to} {parameter}");
            }
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// The page in `docs` is what a guarded full node serves.
#[tokio::test]
async fn the_document_in_docs_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let fresh = format!("{:#}\n", document(&Room::guarded()).await);
    if std::env::var_os("REMUDA_WRITE_DOCS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == fresh, "docs/openapi.json is stale: run this test with REMUDA_WRITE_DOCS=1");
}
