//! Who may do what.

use crate::node::{echo, saying};
use crate::room::{Room, Sender, Tenant, Told};
use async_trait::async_trait;
use http::Request;
use remuda_core::access::{AppSet, Role, Token};
use remuda_core::port::Tokens;
use remuda_core::{Fault, Kind, TokenId};
use remuda_front::{Access, Peer};
use serde_json::json;
use std::sync::Arc;

/// Every request about one tenant's things, by the least that its sender needs: to read, to call, or to change. Those
/// that change come last, the deletes in the order of the cascade.
fn requests(tenant: &Tenant, app_name: &str) -> Vec<(&'static str, String, String)> {
    let Tenant { app, function, trigger } = tenant;
    let new_fn = json!({"name": "g", "app_id": app, "image": "i"}).to_string();
    let new_trigger =
        json!({"name": "u", "app_id": app, "fn_id": function, "type": "http", "source": "/y"}).to_string();
    let none = String::new;
    vec![
        ("read", format!("GET /v2/apps/{app}"), none()),
        ("read", format!("GET /v2/fns?app_id={app}"), none()),
        ("read", format!("GET /v2/fns/{function}"), none()),
        ("read", format!("GET /v2/triggers?app_id={app}"), none()),
        ("read", format!("GET /v2/triggers/{trigger}"), none()),
        ("read", format!("GET /v2/runner/apps/{app}/triggerBySource/http//x"), none()),
        ("call", format!("POST /invoke/{function}"), none()),
        ("call", format!("GET /t/{app_name}/x"), none()),
        ("change", format!("PUT /v2/apps/{app}"), json!({"config": {"A": "1"}}).to_string()),
        ("change", "POST /v2/fns".to_owned(), new_fn),
        ("change", format!("PUT /v2/fns/{function}"), json!({"memory": 256}).to_string()),
        ("change", "POST /v2/triggers".to_owned(), new_trigger),
        ("change", format!("PUT /v2/triggers/{trigger}"), json!({"fn_id": function}).to_string()),
        ("change", format!("DELETE /v2/triggers/{trigger}"), none()),
        ("change", format!("DELETE /v2/fns/{function}"), none()),
        ("change", format!("DELETE /v2/apps/{app}"), none()),
    ]
}

/// What each of [`requests`] is answered.
async fn try_all(
    room: &Room,
    who: &Sender,
    tenant: &Tenant,
    app_name: &str,
) -> Vec<(&'static str, String, Told)> {
    let mut all = Vec::new();
    for (need, request, body) in requests(tenant, app_name) {
        let told = room.ask(who, &request, body).await;
        all.push((need, request, told));
    }
    all
}

#[tokio::test]
async fn each_role_may_do_its_part_for_its_apps() {
    for (role, may) in [
        (Role::Invoker, &["read", "call"][..]),
        (Role::Deployer, &["read", "call", "change"]),
        (Role::Admin, &["read", "call", "change"]),
    ] {
        for apps in [AppSet::of(["mine"]), AppSet::All] {
            let room = Room::guarded();
            let mine = room.tenant(&room.admin().await, "mine").await;
            let who = room.holder(role, apps.clone()).await;
            for (need, request, told) in try_all(&room, &who, &mine, "mine").await {
                let expected = may.contains(&need);
                assert_eq!(told.status < 300, expected, "{role:?} {apps:?} {request} {told:?}");
                if !expected {
                    assert_eq!((told.status, told.message().as_str()), (403, "Forbidden"), "{request}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nobody_may_do_anything_and_is_always_told_the_same() {
    let room = Room::guarded();
    let admin = room.admin().await;
    let tenant = room.tenant(&admin, "mine").await;
    let revoked = room.holder(Role::Admin, AppSet::All).await;
    remuda_core::port::TokenStore::revoke_token(&*room.catalog, &TokenId::new("T1")).await.unwrap();
    let Sender::Holder(good) = &admin else { unreachable!() };
    let malformed = Sender::Holder(good[..good.len() - 2].to_owned());
    for who in [Sender::Anyone, revoked, malformed, Sender::Holder("x".into())] {
        for tenant in [&tenant, &Tenant::missing()] {
            for (_, request, told) in try_all(&room, &who, tenant, "mine").await {
                assert_eq!(told.status, 401, "{request}");
                assert_eq!(told.headers["www-authenticate"], "Bearer", "{request}");
                if !request.contains("/v2/runner") {
                    assert_eq!(told.text, "{\"message\":\"Unauthorized\"}\n", "{who:?} {request}");
                }
                let is_call = request.contains("/invoke/") || request.contains("/t/");
                assert_eq!(told.headers.contains_key("fn-call-id"), is_call, "{request}");
            }
        }
    }
    for request in ["GET /v2/apps", "POST /v2/apps", "GET /v2/groups", "GET /v2/fns/f/calls"] {
        let told = room.ask(&Sender::Anyone, request, "").await;
        assert_eq!((told.status, told.message().as_str()), (401, "Unauthorized"), "{request}");
    }
    for request in ["GET /", "GET /version", "GET /readyz"] {
        assert_eq!(room.ask(&Sender::Anyone, request, "").await.status, 200, "{request}");
    }
}

#[tokio::test]
async fn what_is_anothers_and_what_is_not_there_are_refused_in_the_same_bytes() {
    for role in Role::ALL {
        let room = Room::guarded();
        let admin = room.admin().await;
        let theirs = room.tenant(&admin, "theirs").await;
        let mine = room.tenant(&admin, "mine").await;
        let who = room.holder(role, AppSet::of(["mine"])).await;
        let foreign = try_all(&room, &who, &theirs, "theirs").await;
        let missing = try_all(&room, &who, &Tenant::missing(), "nowhere").await;
        for ((_, request, foreign), (_, _, missing)) in foreign.iter().zip(&missing) {
            assert_eq!((foreign.status, missing.status), (403, 403), "{role:?} {request}");
            assert_eq!(foreign.text, missing.text, "{role:?} {request}");
            let names = |told: &Told| told.headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(foreign), names(missing), "{role:?} {request}");
        }
        for function in [&theirs.function, "missing"] {
            let create =
                json!({"name": "u", "app_id": mine.app, "fn_id": function, "type": "http", "source": "/y"});
            assert_eq!(room.ask(&who, "POST /v2/triggers", create).await.message(), "Forbidden");
            let moved = format!("PUT /v2/triggers/{}", mine.trigger);
            assert_eq!(room.ask(&who, &moved, json!({"fn_id": function})).await.message(), "Forbidden");
        }
        let wrong_source = room.ask(&who, "GET /t/mine/wrong", "").await;
        assert_eq!((wrong_source.status, wrong_source.message().as_str()), (404, "Trigger not found"));
    }
}

#[tokio::test]
async fn who_knows_of_every_app_is_told_what_is_not_there() {
    let room = Room::guarded();
    let admin = room.admin().await;
    let invoker = room.holder(Role::Invoker, AppSet::All).await;
    for who in [&admin, &invoker] {
        assert_eq!(room.ask(who, "GET /v2/apps/x", "").await.message(), "App not found");
        assert_eq!(room.ask(who, "POST /invoke/x", "").await.message(), "Fn not found");
        assert_eq!(room.ask(who, "GET /v2/fns?app_id=x", "").await.text, r#"{"items":[]}"#);
    }
}

#[tokio::test]
async fn a_list_of_apps_has_those_that_its_reader_may_know_of() {
    let room = Room::guarded();
    let admin = room.admin().await;
    for name in ["a", "b", "c"] {
        room.make(&admin, "/v2/apps", json!({ "name": name })).await;
    }
    let names = async |who: &Sender, query: &str| {
        let list = room.ask(who, &format!("GET /v2/apps{query}"), "").await.object();
        list["items"].as_array().unwrap().iter().map(|app| app["name"].clone()).collect::<Vec<_>>()
    };
    let some = room.holder(Role::Invoker, AppSet::of(["a", "c", "nowhere"])).await;
    assert_eq!(names(&some, "").await, ["a", "c"]);
    assert!(names(&some, "?name=b").await.is_empty());
    assert_eq!(names(&admin, "").await.len(), 3);
    assert_eq!(names(&Sender::Node, "?name=b").await, ["b"]);
}

#[tokio::test]
async fn an_app_is_made_only_by_who_may_have_one_of_its_name() {
    let room = Room::guarded();
    let deployer = room.holder(Role::Deployer, AppSet::of(["mine"])).await;
    room.make(&deployer, "/v2/apps", json!({"name": "mine"})).await;
    let other = room.ask(&deployer, "POST /v2/apps", json!({"name": "other"})).await;
    assert_eq!((other.status, other.message().as_str()), (403, "Forbidden"));
    let again = room.ask(&deployer, "POST /v2/apps", json!({"name": "mine"})).await;
    assert_eq!((again.status, again.message().as_str()), (409, "App already exists"));
}

#[tokio::test]
async fn settings_are_not_told_to_invokers_but_addresses_are() {
    let room = Room::guarded();
    let tenant = room.tenant(&room.admin().await, "mine").await;
    let invoker = room.holder(Role::Invoker, AppSet::of(["mine"])).await;
    let app = room.ask(&invoker, &format!("GET /v2/apps/{}", tenant.app), "").await.object();
    assert_eq!((app.get("config"), app.get("syslog_url"), &app["name"]), (None, None, &json!("mine")));
    let function = room.ask(&invoker, &format!("GET /v2/fns/{}", tenant.function), "").await.object();
    assert_eq!(function["config"], json!({}));
    let endpoint = format!("http://h/invoke/{}", tenant.function);
    assert_eq!(function["annotations"]["fnproject.io/fn/invokeEndpoint"], json!(endpoint));
    let lists = [
        room.ask(&invoker, "GET /v2/apps", "").await.text,
        room.ask(&invoker, &format!("GET /v2/fns?app_id={}", tenant.app), "").await.text,
    ];
    assert!(lists.iter().all(|list| !list.contains("SECRET") && !list.contains("tcp://")), "{lists:?}");
    let deployer = room.holder(Role::Deployer, AppSet::of(["mine"])).await;
    for who in [&deployer, &Sender::Node] {
        let app = room.ask(who, &format!("GET /v2/apps/{}", tenant.app), "").await.object();
        assert_eq!(app["config"], json!({"SECRET": "1"}), "{who:?}");
    }
}

#[tokio::test]
async fn a_node_reads_definitions_and_does_nothing_else() {
    let room = Room::guarded();
    let tenant = room.tenant(&room.admin().await, "mine").await;
    for (need, request, told) in try_all(&room, &Sender::Node, &tenant, "mine").await {
        let expected = if need == "read" { 200 } else { 403 };
        assert_eq!(told.status, expected, "{request} {told:?}");
    }
    for request in ["POST /v2/apps", "GET /v2/groups", "PUT /v2/groups/g", "DELETE /v2/groups/g"] {
        assert_eq!(room.ask(&Sender::Node, request, "{}").await.status, 403, "{request}");
    }
    let mut silent = Request::get("/v2/apps").body(axum::body::Body::empty()).unwrap();
    silent.extensions_mut().insert(Peer::Node);
    let told = room.send(&Sender::Anyone, silent).await;
    assert!(told.status == 403 && told.message().contains("FN_AUTH=token"), "{told:?}");
}

#[tokio::test]
async fn a_load_balancer_that_reads_in_clear_text_is_told_what_to_change() {
    let room = Room::guarded();
    for path in ["changes", "tokens/T", "apps/a/triggerBySource/http//x"] {
        let told = room.ask(&Sender::Anyone, &format!("GET /v2/runner/{path}"), "").await;
        assert_eq!((told.status, &told.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
        assert!(told.message().contains("over https with their node certificate"), "{told:?}");
        let wrong = Sender::Holder("x".into());
        let told = room.ask(&wrong, &format!("GET /v2/runner/{path}"), "").await;
        assert_eq!((told.status, told.message().as_str()), (401, "Unauthorized"));
    }
}

#[tokio::test]
async fn tokens_are_told_to_nodes_alone_and_without_what_is_not_theirs() {
    let room = Room::guarded();
    let admin = room.admin().await;
    room.holder(Role::Invoker, AppSet::of(["b", "a"])).await;
    let token = room.ask(&Sender::Node, "GET /v2/runner/tokens/T1", "").await.object();
    let hash = token["hash"].as_str().unwrap();
    assert_eq!((hash.len(), token.as_object().unwrap().len()), (64, 6));
    assert_eq!(
        (&token["id"], &token["role"], &token["apps"], &token["expires_at"]),
        (&json!("T1"), &json!("invoker"), &json!(["a", "b"]), &json!(null))
    );
    let of_all = room.ask(&Sender::Node, "GET /v2/runner/tokens/T0", "").await.object();
    assert_eq!((&of_all["apps"], &of_all["role"]), (&json!(null), &json!("admin")));
    assert_eq!(room.ask(&Sender::Node, "GET /v2/runner/tokens/T9", "").await.status, 404);
    assert_eq!(room.ask(&admin, "GET /v2/runner/tokens/T0", "").await.status, 403);
    assert_eq!(Room::open().ask(&Sender::Anyone, "GET /v2/runner/tokens/T0", "").await.status, 404);
}

#[tokio::test]
async fn a_token_never_reaches_a_function() {
    let room = Room::guarded();
    let admin = room.admin().await;
    let tenant = room.tenant(&admin, "mine").await;
    for request in [format!("POST /invoke/{}", tenant.function), "GET /t/mine/x".to_owned()] {
        assert_eq!(room.ask(&admin, &request, "").await.status, 200);
    }
    for call in room.invoker.calls() {
        let holds = |value: &http::HeaderValue| value.to_str().is_ok_and(|text| text.contains("rmd_"));
        assert!(!call.headers.values().any(holds), "{:?}", call.headers);
        assert!(!call.headers.keys().any(|name| name.as_str().contains("authorization")));
    }
    let open = Room::open();
    let tenant = open.tenant(&Sender::Anyone, "mine").await;
    open.ask(&Sender::Holder("theirs".into()), &format!("POST /invoke/{}", tenant.function), "").await;
    assert_eq!(open.invoker.calls()[0].headers["authorization"], "Bearer theirs");
}

#[tokio::test]
async fn a_refused_call_is_refused_before_its_body_is_read() {
    let room = Room::guarded();
    let tenant = room.tenant(&room.admin().await, "mine").await;
    let other = room.holder(Role::Admin, AppSet::of(["other"])).await;
    for (who, status) in [(&Sender::Anyone, 401), (&other, 403)] {
        for (method, path) in [
            ("POST", format!("/invoke/{}", tenant.function)),
            ("POST", "/t/mine/x".into()),
            ("PUT", format!("/v2/apps/{}", tenant.app)),
        ] {
            let never = axum::body::Body::from_stream(futures_util::stream::pending::<Result<&str, Fault>>());
            let request = Request::builder().method(method).uri(&path).body(never).unwrap();
            let told = tokio::time::timeout(crate::node::LIMIT, room.send(who, request)).await.unwrap();
            assert_eq!(told.status, status, "{path}");
            assert_eq!(told.headers.contains_key("fn-call-id"), method == "POST", "{path}");
        }
    }
    assert!(room.invoker.calls().is_empty());
}

struct Away;

#[async_trait]
impl Tokens for Away {
    async fn token(&self, _: &TokenId) -> Result<Arc<Token>, Fault> {
        Err(Fault::service(Kind::Unavailable, "the database is away"))
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_looked_up_are_a_503_and_never_a_401() {
    let room = Room::guarded_with(|ports| ports.access = Access::Tokens(Arc::new(Away)), echo());
    let admin = room.admin().await;
    for request in ["GET /v2/apps", "POST /invoke/f", "GET /t/a/x"] {
        let told = room.ask(&admin, request, "").await;
        assert_eq!((told.status, &told.headers["retry-after"]), (503, &"15".parse().unwrap()), "{request}");
    }
    assert_eq!(room.ask(&Sender::Anyone, "GET /v2/apps", "").await.status, 401);
}

#[tokio::test]
async fn addresses_are_https_where_the_connection_is() {
    let room = Room::with(|_| {}, saying(&[], ""));
    let tenant = room.tenant(&Sender::Anyone, "mine").await;
    let over_tls = |path: &str| {
        let mut request = Request::get(path).header("host", "h:1").body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::Anonymous);
        request
    };
    let function =
        room.send(&Sender::Anyone, over_tls(&format!("/v2/fns/{}", tenant.function))).await.object();
    let endpoint = format!("https://h:1/invoke/{}", tenant.function);
    assert_eq!(function["annotations"]["fnproject.io/fn/invokeEndpoint"], json!(endpoint));
    room.send(&Sender::Anyone, over_tls("/t/mine/x?q=1")).await;
    let calls = room.invoker.calls();
    assert_eq!(calls[0].headers["fn-http-request-url"], "https://h:1/t/mine/x?q=1");
}
