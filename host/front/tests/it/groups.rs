//! The operator's list of LB groups, and what it means for apps and functions.

use crate::room::{Room, Sender};
use remuda_core::access::{AppSet, Role};
use serde_json::{Value, json};

fn named(group: &str) -> Value {
    json!({"config": {"FN_LB_GROUP_ID": group}})
}

#[tokio::test]
async fn the_list_is_kept_by_administrators_of_all_apps() {
    let room = Room::guarded();
    let admin = room.admin().await;
    assert_eq!(room.ask(&admin, "GET /v2/groups", "").await.text, r#"{"items":[]}"#);
    let blue = room.ask(&admin, "PUT /v2/groups/blue", json!({"Apps": ["b", "a", "b"]})).await.object();
    assert_eq!((&blue["name"], &blue["apps"]), (&json!("blue"), &json!(["a", "b"])));
    assert_eq!(blue.as_object().unwrap().len(), 4);
    let odd = room.ask(&admin, "PUT /v2/groups/R%C3%B6t%20%2F1", json!({"apps": ["*"]})).await.object();
    assert_eq!((&odd["name"], &odd["apps"]), (&json!("Röt /1"), &json!(["*"])));
    for forgotten in ["{}", "null", r#"{"apps":null}"#, r#"{"app":["a"]}"#] {
        let told = room.ask(&admin, "PUT /v2/groups/green", forgotten).await;
        assert_eq!(told.status, 400, "{forgotten}");
        assert!(told.message().starts_with("Missing apps: "), "{}", told.message());
    }
    let read = room.ask(&admin, "GET /v2/groups/blue", "").await.object();
    assert_eq!(read, blue);
    let same = room.ask(&admin, "PUT /v2/groups/blue", json!({"apps": ["a", "b"]})).await.object();
    assert_eq!(same, blue, "nothing changed");
    let list = room.ask(&admin, "GET /v2/groups", "").await.object();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let gone = room.ask(&admin, "DELETE /v2/groups/blue", "").await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    for request in ["GET /v2/groups/blue", "DELETE /v2/groups/blue"] {
        let told = room.ask(&admin, request, "").await;
        assert_eq!((told.status, told.message().as_str()), (404, "Group not found"), "{request}");
    }
    for (role, apps) in [(Role::Admin, AppSet::of(["a"])), (Role::Deployer, AppSet::All)] {
        let who = room.holder(role, apps).await;
        for request in ["GET /v2/groups", "GET /v2/groups/x", "PUT /v2/groups/x", "DELETE /v2/groups/x"] {
            let told = room.ask(&who, request, "{}").await;
            assert_eq!((told.status, told.message().as_str()), (403, "Forbidden"), "{request}");
        }
    }
}

#[tokio::test]
async fn a_group_that_cannot_be_is_refused_with_a_reason() {
    let room = Room::open();
    let long = "x".repeat(256);
    let many: Vec<String> = (0..101).map(|n| format!("a{n}")).collect();
    for (name, body, reason) in [
        (long.as_str(), json!({}), "Invalid group name: it must be 1 to 255 bytes long"),
        ("a%00b", json!({}), "Invalid group name"),
        ("%ff", json!({}), "Invalid group name: it must be UTF-8"),
        ("g", json!({ "apps": many }), "apps must be 100 names or fewer"),
        ("g", json!({"apps": ["a", "*"]}), "apps must be names of apps, or [\"*\"] alone"),
        ("default", json!({"apps": ["a"]}), "the LB group 'default' is every app's"),
        ("g", json!({"apps": ["a", ""]}), "apps[1] must be an app's name"),
        ("g", json!({"apps": ["a\u{0}"]}), "apps[0] must be an app's name"),
        ("g", json!({"apps": ["a", 5]}), "Invalid JSON: apps must be a list of strings"),
        ("g", json!({"apps": "a"}), "Invalid JSON: apps must be a list of strings, not a string"),
    ] {
        let told = room.ask(&Sender::Anyone, &format!("PUT /v2/groups/{name}"), body).await;
        assert!(told.status == 400 && told.message().starts_with(reason), "{told:?}");
    }
}

#[tokio::test]
async fn an_app_names_a_group_only_if_it_may_use_it() {
    let room = Room::guarded();
    let admin = room.admin().await;
    let tenant = room.tenant(&admin, "mine").await;
    let deployer = room.holder(Role::Deployer, AppSet::of(["mine", "new"])).await;
    let (app, function) =
        (format!("PUT /v2/apps/{}", tenant.app), format!("PUT /v2/fns/{}", tenant.function));
    for request in [&app, &function] {
        assert_eq!(room.ask(&deployer, request, named("early")).await.status, 200, "there is no list yet");
    }
    room.ask(&admin, "PUT /v2/groups/blue", json!({"apps": ["other"]})).await.object();
    room.ask(&admin, "PUT /v2/groups/green", json!({"apps": ["mine"]})).await.object();
    for request in [&app, &function] {
        for wrong in ["blue", "unknown"] {
            let told = room.ask(&deployer, request, named(wrong)).await;
            assert_eq!(told.status, 403, "{request} {wrong}");
            assert!(told.message().contains(&format!("may not use the LB group '{wrong}'")), "{told:?}");
        }
        for right in ["early", "green", "default", "green", ""] {
            assert_eq!(room.ask(&deployer, request, named(right)).await.status, 200, "{request} {right}");
        }
        let back = room.ask(&deployer, request, named("early")).await;
        assert_eq!(back.status, 403, "once left, it is as any other");
    }
    let mut new = named("blue");
    new["name"] = json!("new");
    assert_eq!(room.ask(&deployer, "POST /v2/apps", &new).await.status, 403);
    let new = json!({"name": "g", "app_id": tenant.app, "image": "i", "config": {"FN_LB_GROUP_ID": "blue"}});
    assert_eq!(room.ask(&deployer, "POST /v2/fns", &new).await.status, 403);
}

#[tokio::test]
async fn only_administrators_pin_an_app_and_only_apps_are_pinned() {
    let room = Room::guarded();
    let admin = room.admin().await;
    let tenant = room.tenant(&admin, "mine").await;
    let deployer = room.holder(Role::Deployer, AppSet::of(["mine", "new"])).await;
    let app = format!("PUT /v2/apps/{}", tenant.app);
    let pin = |to: Value| json!({"annotations": {"remuda/lb-group": to}});
    let told = room.ask(&deployer, &app, pin(json!("blue"))).await;
    assert!(told.status == 403 && told.message().contains("only an administrator"), "{told:?}");
    let mut new = pin(json!("blue"));
    new["name"] = json!("new");
    assert_eq!(room.ask(&deployer, "POST /v2/apps", new).await.status, 403);
    assert_eq!(room.ask(&admin, &app, pin(json!(5))).await.status, 400);
    let own_admin = room.holder(Role::Admin, AppSet::of(["mine"])).await;
    room.ask(&own_admin, &app, pin(json!("blue"))).await.object();
    assert_eq!(room.ask(&deployer, &app, pin(json!("blue"))).await.status, 200, "as it is");
    assert_eq!(room.ask(&deployer, &app, pin(json!(null))).await.status, 403, "it stays");
    let function = format!("PUT /v2/fns/{}", tenant.function);
    for request in [&app, &function] {
        assert_eq!(room.ask(&deployer, request, named("blue")).await.status, 200);
        let told = room.ask(&deployer, request, named("green")).await;
        assert!(told.status == 403 && told.message().contains("pinned to the LB group 'blue'"), "{told:?}");
    }
    let trigger = format!("PUT /v2/triggers/{}", tenant.trigger);
    for request in [&function, &trigger] {
        let told = room.ask(&admin, request, pin(json!("blue"))).await;
        assert!(told.status == 400 && told.message().contains("belongs on the app"), "{told:?}");
    }
    let mut new_fn = pin(json!("blue"));
    (new_fn["name"], new_fn["app_id"], new_fn["image"]) = (json!("g"), json!(tenant.app), json!("i"));
    assert_eq!(room.ask(&admin, "POST /v2/fns", new_fn).await.status, 400);
}

#[tokio::test]
async fn groups_without_a_list_are_bounded() {
    let room = Room::open();
    for n in 0..1000 {
        let app = json!({"name": format!("a{n}"), "config": {"FN_LB_GROUP_ID": format!("g{n}")}});
        room.make(&Sender::Anyone, "/v2/apps", app).await;
    }
    let told = room
        .ask(&Sender::Anyone, "POST /v2/apps", json!({"name": "x", "config": {"FN_LB_GROUP_ID": "x"}}))
        .await;
    assert!(told.status == 403 && told.message().contains("groups are in use already"), "{told:?}");
    for group in ["g7", "default", ""] {
        let app = json!({"name": format!("x{group}"), "config": {"FN_LB_GROUP_ID": group}});
        assert_eq!(room.ask(&Sender::Anyone, "POST /v2/apps", app).await.status, 200, "{group}");
    }
}
