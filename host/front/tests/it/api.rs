//! The management API, as Fn's clients see it.

use crate::node::{Node, echo, header, id};
use remuda_front::{Options, ServeOptions};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_app_is_created_read_changed_and_deleted() {
    let node = Node::start(echo()).await;
    let zero = "0001-01-01T00:00:00.000Z";
    let sent = json!({"name": "app", "config": {"A": "1", "B": ""}, "annotations": {"k": 1, "o": {"<": "&"}},
        "syslog_url": "tcp://h:1", "shape": "GENERIC_ARM", "created_at": zero, "updated_at": zero});
    let response = node.send(Method::POST, "/v2/apps", sent.to_string()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(response.headers(), "content-type"), "application/json; charset=utf-8");
    let text = response.text().await.unwrap();
    let app: Value = serde_json::from_str(&text).unwrap();
    let (app_id, at) = (id(&app), app["created_at"].as_str().unwrap());
    let expected = format!(
        r#"{{"id":"{app_id}","name":"app","config":{{"A":"1","B":""}},"annotations":{{"k":1,"o":{{"\u003c":"\u0026"}}}},"syslog_url":"tcp://h:1","shape":"GENERIC_ARM","created_at":"{at}","updated_at":"{at}"}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(app_id.len(), 26);
    let path = format!("/v2/apps/{app_id}");
    assert_eq!(node.get(&path).await.text().await.unwrap(), text);

    let change = json!({"config": {"A": "", "C": "3"}, "annotations": {"k": null, "n": 5}, "syslog_url": ""});
    let changed = node.put(Method::PUT, &path, change).await;
    assert_eq!(changed["config"], json!({"B": "", "C": "3"}));
    assert_eq!(changed["annotations"], json!({"n": 5, "o": {"<": "&"}}));
    assert!(changed.get("syslog_url").is_none());
    assert_eq!(node.put(Method::PUT, &path, json!({})).await, changed);

    let deleted = node.send(Method::DELETE, &path, "").await;
    assert_eq!(deleted.status(), 204);
    assert_eq!(header(deleted.headers(), "content-type"), "text/plain; charset=utf-8");
    assert_eq!(deleted.text().await.unwrap(), "");
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        assert_eq!(node.refused(method, &path, "{}").await, (404, "App not found".into()));
    }
}

#[tokio::test]
async fn a_function_is_annotated_with_its_address_when_read_but_not_when_changed() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    let sent =
        json!({"NAME": "f1", "App_ID": app, "image": "x/y:1", "shape": "ignored", "display_name": [1]});
    let response = node.send(Method::POST, "/v2/fns", sent.to_string()).await;
    let text = response.text().await.unwrap();
    let made: Value = serde_json::from_str(&text).unwrap();
    let (fn_id, at) = (id(&made), made["created_at"].as_str().unwrap());
    let endpoint = node.url(&format!("/invoke/{fn_id}"));
    let expected = format!(
        r#"{{"id":"{fn_id}","name":"f1","app_id":"{app}","image":"x/y:1","memory":128,"timeout":30,"idle_timeout":30,"config":{{}},"annotations":{{"fnproject.io/fn/invokeEndpoint":"{endpoint}"}},"created_at":"{at}","updated_at":"{at}"}}"#
    );
    assert_eq!(text, expected);
    let path = format!("/v2/fns/{fn_id}");
    assert_eq!(node.get(&path).await.text().await.unwrap(), text);
    let changed = node.put(Method::PUT, &path, json!({"memory": 256, "name": "ignored"})).await;
    assert_eq!((&changed["memory"], &changed["name"]), (&json!(256), &json!("f1")));
    assert!(changed.get("annotations").is_none());
    let stored =
        node.put(Method::PUT, &path, json!({"annotations": {"fnproject.io/fn/invokeEndpoint": "old"}})).await;
    assert_eq!(stored["annotations"]["fnproject.io/fn/invokeEndpoint"], "old");
    let read: Value = serde_json::from_str(&node.get(&path).await.text().await.unwrap()).unwrap();
    assert_eq!(read["annotations"]["fnproject.io/fn/invokeEndpoint"], json!(endpoint));
    let list: Value = serde_json::from_str(
        &node.get(&format!("/v2/fns?app_id={app}&name=f1&sort_by=x")).await.text().await.unwrap(),
    )
    .unwrap();
    assert_eq!(list, json!({"items": [read]}));
    assert_eq!(node.send(Method::DELETE, &path, "").await.status(), 204);
    assert_eq!(node.refused(Method::GET, &path, "").await, (404, "Fn not found".into()));
}

#[tokio::test]
async fn a_trigger_is_annotated_and_found_by_its_source_with_two_slashes() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    let function = node.create_fn(&app, "f").await;
    let trigger = node.create_trigger(&app, &function, "t", "/a/b").await;
    assert_eq!(trigger["annotations"], json!({"fnproject.io/trigger/httpEndpoint": node.url("/t/app/a/b")}));
    let path = format!("/v2/triggers/{}", id(&trigger));
    let read: Value = serde_json::from_str(&node.get(&path).await.text().await.unwrap()).unwrap();
    assert_eq!(read, trigger);

    let lookup = format!("/v2/runner/apps/{app}/triggerBySource/http/");
    let found = node.get(&format!("{lookup}/a/b")).await;
    assert_eq!(found.status(), 200);
    let found: Value = serde_json::from_str(&found.text().await.unwrap()).unwrap();
    assert_eq!((id(&found), found.get("annotations")), (id(&trigger), None));
    for missing in [
        format!("{lookup}a/b"),
        format!("{lookup}/a/b/"),
        format!("/v2/runner/apps/{app}/triggerBySource/smoke//a/b"),
    ] {
        assert_eq!(
            node.refused(Method::GET, &missing, "").await,
            (404, "Trigger not found".into()),
            "{missing}"
        );
    }
    let root = node.create_trigger(&app, &function, "root", "/").await;
    let found: Value =
        serde_json::from_str(&node.get(&format!("{lookup}/")).await.text().await.unwrap()).unwrap();
    assert_eq!(id(&found), id(&root));

    let changed = node.put(Method::PUT, &path, json!({"source": "/c", "type": "ignored"})).await;
    assert_eq!(
        (&changed["source"], &changed["type"], changed.get("annotations")),
        (&json!("/c"), &json!("http"), None)
    );
    assert_eq!(
        node.refused(Method::PUT, &path, json!({"name": "root"})).await,
        (409, "Trigger already exists".into())
    );
    let list: Value = serde_json::from_str(
        &node.get(&format!("/v2/triggers?app_id={app}&fn_id={function}")).await.text().await.unwrap(),
    )
    .unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        list["items"][0]["annotations"]["fnproject.io/trigger/httpEndpoint"],
        json!(node.url("/t/app/"))
    );
    assert_eq!(node.send(Method::DELETE, &path, "").await.status(), 204);
    assert_eq!(node.refused(Method::GET, &path, "").await, (404, "Trigger not found".into()));
}

#[tokio::test]
async fn refusals_have_fns_words() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    let function = node.create_fn(&app, "f").await;
    let other = node.create_app("other").await;
    let trigger = json!({"name": "t", "app_id": app, "fn_id": function, "type": "http", "source": "/x"});
    let patched = |key: &str, value: Value| {
        let mut changed = trigger.clone();
        changed[key] = value;
        changed
    };
    node.put(Method::POST, "/v2/triggers", trigger.clone()).await;
    let post = Method::POST;
    for (path, body, status, message) in [
        ("/v2/apps", json!({"name": "app"}), 409, "App already exists"),
        ("/v2/apps", json!({"id": "x", "name": "a"}), 400, "App ID cannot be supplied on create"),
        (
            "/v2/apps",
            json!({"name": "a", "annotations": {"k": null}}),
            400,
            "Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or arrays",
        ),
        (
            "/v2/fns",
            json!({"name": "f", "app_id": app, "image": "i"}),
            409,
            "Fn with specified name already exists",
        ),
        ("/v2/fns", json!({"name": "f", "app_id": "x", "image": "i"}), 404, "App not found"),
        ("/v2/fns", json!({"name": "f", "app_id": "x"}), 400, "Missing image on Fn"),
        (
            "/v2/triggers",
            patched("name", json!("u")),
            409,
            "Trigger with the same type and source exists on this app",
        ),
        ("/v2/triggers", patched("source", json!("/y")), 409, "Trigger already exists"),
        ("/v2/triggers", patched("app_id", json!("x")), 404, "App not found"),
        ("/v2/triggers", patched("fn_id", json!("x")), 404, "Fn not found"),
        ("/v2/triggers", patched("app_id", json!(other)), 400, "Invalid Fn ID - not owned by specified app"),
        (
            "/v2/triggers",
            patched("created_at", json!("2026-11-20T13:24:34Z")),
            400,
            "Trigger Created At Provided for Create",
        ),
        ("/v2/apps", json!({"name": 5}), 400, "Invalid JSON: name must be a string, not a number"),
        (
            "/v2/apps",
            json!([]),
            400,
            "Invalid JSON: invalid type: sequence, expected an object at line 1 column 2",
        ),
    ] {
        assert_eq!(node.refused(post.clone(), path, &body).await, (status, message.to_owned()), "{body}");
    }
    let (status, message) = node.refused(post, "/v2/apps", "{\"name\":").await;
    assert!(status == 400 && message.starts_with("Invalid JSON"), "{message}");
}

#[tokio::test]
async fn refusals_of_changes_and_lists_have_fns_words() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    let function = node.create_fn(&app, "f").await;
    let put = Method::PUT;
    let (app_path, fn_path) = (format!("/v2/apps/{app}"), format!("/v2/fns/{function}"));
    for (path, body, status, message) in [
        (&app_path, json!({"name": "b"}), 409, "Could not update - name is immutable"),
        (&app_path, json!({"id": "b"}), 400, "App ID in path does not match ID in body"),
        (&fn_path, json!({"id": "b"}), 400, "Fn ID in path does not match that in body"),
    ] {
        assert_eq!(node.refused(put.clone(), path, &body).await, (status, message.to_owned()), "{body}");
    }
    for (path, message) in [
        ("/v2/fns", "Missing AppID on Fn"),
        ("/v2/triggers?app_id=", "Missing App ID on Trigger"),
        ("/v2/apps?cursor=%21", "Invalid cursor: it must be the next_cursor of a page before"),
        ("/v2/fns?app_id=x&cursor=_w", "Invalid cursor: it must be the next_cursor of a page before"),
    ] {
        assert_eq!(node.refused(Method::GET, path, "").await, (400, message.to_owned()));
    }
}

#[tokio::test]
async fn lists_are_paged_by_cursor() {
    let node = Node::start(echo()).await;
    for name in ["c", "a", "b"] {
        node.create_app(name).await;
    }
    let page = async |query: &str| node.get(&format!("/v2/apps?{query}")).await.text().await.unwrap();
    let first: Value = serde_json::from_str(&page("per_page=2").await).unwrap();
    let names: Vec<_> =
        first["items"].as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap()).collect();
    assert_eq!((names, &first["next_cursor"]), (vec!["a", "b"], &json!("Yg")));
    let second: Value = serde_json::from_str(&page("per_page=2&cursor=Yg").await).unwrap();
    assert_eq!((&second["items"][0]["name"], second.get("next_cursor")), (&json!("c"), None));
    assert_eq!(page("name=nobody").await, r#"{"items":[]}"#);
    for path in ["/v2/fns?app_id=x", "/v2/triggers?app_id=x"] {
        assert_eq!(node.get(path).await.text().await.unwrap(), r#"{"items":[]}"#);
    }
}

#[tokio::test]
async fn a_page_that_ends_between_two_of_one_name_loses_neither() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    for name in ["f", "g", "h"] {
        let function = node.create_fn(&app, name).await;
        node.create_trigger(&app, &function, "t", &format!("/{name}")).await;
    }
    let (mut query, mut sources) = (String::new(), Vec::new());
    loop {
        let path = format!("/v2/triggers?app_id={app}&per_page=1{query}");
        let list: Value = serde_json::from_str(&node.get(&path).await.text().await.unwrap()).unwrap();
        sources.extend(
            list["items"].as_array().unwrap().iter().map(|t| t["source"].as_str().unwrap().to_owned()),
        );
        let Some(next) = list["next_cursor"].as_str() else { break };
        query = format!("&cursor={next}");
    }
    assert_eq!(sources, ["/f", "/g", "/h"]);
    let fns = format!("/v2/triggers?app_id={app}&cursor=dA");
    assert_eq!(
        node.get(&fns).await.text().await.unwrap(),
        r#"{"items":[]}"#,
        "a plain name is behind all of its name"
    );
}

#[tokio::test]
async fn zero_bytes_and_boundless_texts_are_refused_by_the_name_of_their_field() {
    let node = Node::start(echo()).await;
    let app = node.create_app("app").await;
    let function = node.create_fn(&app, "f").await;
    let with = |fields: Value, key: &str, value: Value| {
        let mut object = fields;
        object[key] = value;
        object
    };
    let an_app = json!({"name": "a"});
    let a_fn = json!({"name": "g", "app_id": app, "image": "i"});
    let a_trigger = json!({"name": "t", "app_id": app, "fn_id": function, "type": "http", "source": "/x"});
    for (path, body, reason) in [
        ("/v2/apps", with(an_app.clone(), "name", json!("a\0")), "Invalid app name"),
        ("/v2/apps", with(an_app.clone(), "syslog_url", json!("tcp://h\0")), "invalid syslog url"),
        (
            "/v2/apps",
            with(an_app.clone(), "config", json!({"A": "\0"})),
            "config key \"A\" cannot be an environment",
        ),
        ("/v2/apps", with(an_app.clone(), "config", json!({"A\0": "1"})), "config key \"A\\0\" cannot be"),
        ("/v2/apps", with(an_app.clone(), "shape", json!("\0")), "Invalid app shape"),
        ("/v2/apps", with(an_app, "annotations", json!({"k\0": 1})), "Invalid annotation key"),
        ("/v2/fns", with(a_fn.clone(), "name", json!("a\0")), "name must be a valid string"),
        ("/v2/fns", with(a_fn.clone(), "image", json!("i\0")), "image must not contain a zero byte"),
        ("/v2/fns", with(a_fn.clone(), "image", json!("i".repeat(1025))), "image must be 1024 bytes or less"),
        (
            "/v2/fns",
            with(a_fn, "config", json!({"A": "x".repeat(131_073)})),
            "config must be 131072 bytes or less",
        ),
        ("/v2/triggers", with(a_trigger.clone(), "name", json!("a\0")), "Invalid name for Trigger"),
        (
            "/v2/triggers",
            with(a_trigger.clone(), "source", json!("/\0")),
            "source must not contain a zero byte",
        ),
        (
            "/v2/triggers",
            with(a_trigger, "source", json!("/".repeat(2049))),
            "source must be 2048 bytes or less",
        ),
    ] {
        let (status, message) = node.refused(Method::POST, path, &body).await;
        assert!(status == 400 && message.starts_with(reason), "{body}: {status} {message}");
    }
    for name in ["name", "cursor", "per_page"] {
        let path = format!("/v2/apps?{name}={}", "x".repeat(1025));
        let told = node.refused(Method::GET, &path, "").await;
        assert_eq!(told, (400, format!("the query parameter {name} must be 1024 bytes or less")));
    }
}

#[tokio::test]
async fn the_calls_of_old_are_gone() {
    let node = Node::start(echo()).await;
    for path in ["/v2/fns/f/calls", "/v2/fns/f/calls/c", "/v2/fns/f/calls/c/log"] {
        let response = node.get(path).await;
        assert_eq!(
            (response.status().as_u16(), response.text().await.unwrap().as_str()),
            (410, ""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn addresses_are_those_of_the_public_load_balancer_when_it_is_named() {
    let options = Options { public_lb_url: Some("https://fn.example/".into()), ..Options::default() };
    let node = Node::start_with(echo(), options, ServeOptions::default()).await;
    let app = node.create_app("app").await;
    let function = node.put(Method::POST, "/v2/fns", json!({"name": "f", "app_id": app, "image": "i"})).await;
    let endpoint = format!("https://fn.example/invoke/{}", id(&function));
    assert_eq!(function["annotations"]["fnproject.io/fn/invokeEndpoint"], json!(endpoint));
}
