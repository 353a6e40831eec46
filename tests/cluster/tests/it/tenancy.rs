//! Tenants: who may do what, with tokens that the operator's tool makes and revokes.

use std::time::Duration;

use remuda_cluster_tests::Seen;
use remuda_harness::{Answer, Api, Builder, Cluster, Front, Tls, daemons, images, process, until};
use remuda_test_databases::shared;
use reqwest::Method;
use serde_json::{Value, json};

/// An authenticated cluster with two groups: everything over TLS, LBs known by their certificates.
fn guarded() -> Builder {
    let shape = Cluster::builder().api().lb().npm("noop").runner("blue").runner("green");
    shape.tls(Tls::Authority).https().env("api", "FN_AUTH", "token").env("lb", "FN_AUTH", "token")
}

async fn token(cluster: &mut Cluster, arguments: &[&str]) -> String {
    let all = [&["token", "create"], arguments].concat();
    cluster.remuda("api", &all).await.unwrap()
}

async fn status(api: &Api, method: Method, path: &str, body: Option<&Value>) -> u16 {
    api.ask(method, path, body).await.unwrap().status
}

struct Tenants {
    admin: Api,
    shop: Api,
    bank: Api,
    caller: Api,
    caller_token: String,
}

async fn tenants(cluster: &mut Cluster) -> Tenants {
    let admin = token(cluster, &["--role", "admin", "--all-apps", "--note", "operator"]).await;
    let shop = token(cluster, &["--role", "deployer", "--app", "shop"]).await;
    let bank = token(cluster, &["--role", "deployer", "--app", "bank", "--expires", "1h"]).await;
    let caller_token = token(cluster, &["--role", "invoker", "--app", "shop"]).await;
    let api = cluster.api();
    Tenants {
        admin: api.with_token(&admin),
        shop: api.with_token(&shop),
        bank: api.with_token(&bank),
        caller: api.with_token(&caller_token),
        caller_token,
    }
}

fn as_caller(cluster: &Cluster, token: &str) -> Front {
    cluster.front().with_token(token)
}

fn without_ids(answer: &Answer) -> (u16, String) {
    (answer.status, answer.text())
}

#[tokio::test]
async fn each_role_does_its_own_and_nothing_else() {
    let mut cluster = guarded().start().await.unwrap();
    let who = tenants(&mut cluster).await;
    let image = images::probe().await.unwrap();
    let open = cluster.api();

    // Nobody without a token; what everyone may ask, everyone may.
    for path in ["/v2/apps", "/v2/apps/x", "/v2/fns?app_id=x", "/v2/groups"] {
        assert_eq!(status(&open, Method::GET, path, None).await, 401, "{path}");
    }
    for path in ["/version", "/readyz", "/"] {
        assert_eq!(status(&open, Method::GET, path, None).await, 200, "{path}");
    }

    // A deployer makes its own app and no other.
    let shop = who.shop.create_app("shop", &[("FN_LB_GROUP_ID", "blue"), ("PASSWORD", "p")]).await.unwrap();
    assert_eq!(status(&who.shop, Method::POST, "/v2/apps", Some(&json!({"name": "other"}))).await, 403);
    let bank = who.bank.create_app("bank", &[("FN_LB_GROUP_ID", "green")]).await.unwrap();
    let function = who.shop.create_function(&shop, "f", &image).await.unwrap();
    who.shop.create_trigger(&shop, &function, "t", "/f").await.unwrap();
    let banking = who.bank.create_function(&bank, "f", &image).await.unwrap();

    // Another's thing and none at all look the same.
    let foreign = who.shop.ask(Method::GET, &format!("/v2/apps/{}", bank.0), None).await.unwrap();
    let unknown = who.shop.ask(Method::GET, "/v2/apps/01UNKNOWN", None).await.unwrap();
    assert_eq!(without_ids(&foreign), without_ids(&unknown));
    assert_eq!(foreign.status, 403);
    let listed = who.shop.send(Method::GET, "/v2/apps", None).await.unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        who.admin.send(Method::GET, "/v2/apps", None).await.unwrap()["items"].as_array().unwrap().len(),
        2
    );

    // An invoker sees what it needs to call, without settings, and changes nothing.
    let seen = who.caller.send(Method::GET, &format!("/v2/apps/{}", shop.0), None).await.unwrap();
    assert!(!seen.to_string().contains("PASSWORD"), "{seen}");
    let change = json!({"config": {"A": "1"}});
    assert_eq!(status(&who.caller, Method::PUT, &format!("/v2/apps/{}", shop.0), Some(&change)).await, 403);

    // Calls.
    let caller = as_caller(&cluster, &who.caller_token);
    let answer = caller.invoke(&function, "x").await.unwrap();
    let seen = Seen::of(&answer);
    assert_eq!(seen.body(), "x");
    assert_eq!(cluster.runner_of(seen.container()).await.unwrap(), "blue");
    assert!(!answer.text().contains("rmd_"), "the function was given the caller's token: {}", answer.text());
    let answer = caller.trigger("shop", "/f", "x").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("rmd_"), "{}", answer.text());
    let refused = caller.invoke(&banking, "x").await.unwrap();
    assert_eq!(refused.status, 403);
    assert!(!refused.header("fn-call-id").is_empty());
    assert_eq!(cluster.front().invoke(&function, "x").await.unwrap().status, 401);
    assert_eq!(cluster.front().with_token("rmd_x_y").invoke(&function, "x").await.unwrap().status, 401);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_revoked_token_stops_working_everywhere_at_once() {
    let mut cluster = guarded().start().await.unwrap();
    let who = tenants(&mut cluster).await;
    let image = images::probe().await.unwrap();
    let shop = who.shop.create_app("shop", &[("FN_LB_GROUP_ID", "blue")]).await.unwrap();
    let function = who.shop.create_function(&shop, "f", &image).await.unwrap();
    let caller = as_caller(&cluster, &who.caller_token);
    assert_eq!(caller.invoke(&function, "x").await.unwrap().status, 200);
    let listed = cluster.remuda("api", &["token", "list"]).await.unwrap();
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.contains("operator") && !listed.contains("rmd_"), "{listed}");

    cluster.remuda("api", &["token", "revoke", &who.caller_token]).await.unwrap();
    let (api, path) = (who.caller.clone(), format!("/v2/apps/{}", shop.0));
    let refused = async || {
        let called = caller.invoke(&function, "x").await.unwrap().status;
        called == 401 && status(&api, Method::GET, &path, None).await == 401
    };
    until("the token to be refused", Duration::from_secs(3), refused).await.unwrap();
    let other = token(&mut cluster, &["--role", "admin", "--all-apps"]).await;
    let stays = as_caller(&cluster, &other);
    assert_eq!(stays.invoke(&function, "x").await.unwrap().status, 200);

    // Known callers go on calling known functions while every API node is away.
    cluster.allow_log(remuda_cluster_tests::LOST);
    cluster.node("api").kill().await.unwrap();
    assert_eq!(stays.invoke(&function, "x").await.unwrap().status, 200);
    assert_eq!(caller.invoke(&function, "x").await.unwrap().status, 401);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_an_administrator_says_who_uses_which_group() {
    let mut cluster = guarded().start().await.unwrap();
    let who = tenants(&mut cluster).await;
    let image = images::probe().await.unwrap();
    let put = async |api: &Api, group: &str, body: Value| {
        status(api, Method::PUT, &format!("/v2/groups/{group}"), Some(&body)).await
    };
    assert_eq!(put(&who.shop, "blue", json!({"apps": ["shop"]})).await, 403);
    assert_eq!(put(&who.admin, "blue", json!({"apps": ["shop"]})).await, 200);
    assert_eq!(put(&who.admin, "green", json!({"apps": ["bank"]})).await, 200);

    let app = |name: &str, group: &str| json!({"name": name, "config": {"FN_LB_GROUP_ID": group}});
    let foreign = who.shop.ask(Method::POST, "/v2/apps", Some(&app("shop", "green"))).await.unwrap();
    let unknown = who.shop.ask(Method::POST, "/v2/apps", Some(&app("shop", "red"))).await.unwrap();
    assert_eq!((foreign.status, unknown.status), (403, 403), "{} {}", foreign.text(), unknown.text());
    assert_eq!(foreign.text().replace("green", "red"), unknown.text(), "what is on the list is not told");
    let shop = who.shop.create_app("shop", &[("FN_LB_GROUP_ID", "blue")]).await.unwrap();
    let path = format!("/v2/apps/{}", shop.0);
    let moved = json!({"config": {"FN_LB_GROUP_ID": "green"}});
    assert_eq!(status(&who.shop, Method::PUT, &path, Some(&moved)).await, 403);
    let function =
        json!({"name": "g", "app_id": shop.0, "image": image, "config": {"FN_LB_GROUP_ID": "green"}});
    assert_eq!(status(&who.shop, Method::POST, "/v2/fns", Some(&function)).await, 403);
    let function = who.shop.create_function(&shop, "f", &image).await.unwrap();

    // A pin, by an administrator alone, wins over what the config says, at once.
    let pin = json!({"annotations": {"remuda/lb-group": "green"}});
    assert_eq!(status(&who.shop, Method::PUT, &path, Some(&pin)).await, 403);
    let caller = as_caller(&cluster, &who.caller_token);
    let on = async |wanted: &str| {
        let seen = Seen::of(&caller.invoke(&function, "x").await.unwrap());
        cluster.runner_of(seen.container()).await.unwrap() == wanted
    };
    assert!(on("blue").await);
    assert_eq!(status(&who.admin, Method::PUT, &path, Some(&pin)).await, 200);
    until("the pin to be in force", Duration::from_secs(3), async || on("green").await).await.unwrap();

    // What the CLI reads it sends back whole: the pin in it is no attempt to set one.
    let whole = who.shop.send(Method::GET, &path, None).await.unwrap();
    assert_eq!(status(&who.shop, Method::PUT, &path, Some(&whole)).await, 200);
    assert_eq!(status(&who.shop, Method::DELETE, &path, None).await, 403, "made again it would have no pin");
    let unpin = json!({"annotations": {"remuda/lb-group": ""}});
    assert_eq!(status(&who.shop, Method::PUT, &path, Some(&unpin)).await, 403);
    assert_eq!(status(&who.admin, Method::PUT, &path, Some(&unpin)).await, 200);
    until("the pin to be gone", Duration::from_secs(3), async || on("blue").await).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_lb_without_authentication_or_certificate_reads_nothing() {
    let shape = Cluster::builder().api().lb().shared_runner().tls(Tls::Authority).https();
    let shape = shape.env("api", "FN_AUTH", "token").allow_log("set FN_AUTH=token");
    let mut cluster = shape.start().await.unwrap();
    let admin = token(&mut cluster, &["--role", "admin", "--all-apps"]).await;
    let image = images::probe().await.unwrap();
    let api = cluster.api().with_token(&admin);
    let app = api.create_app("app", &[]).await.unwrap();
    let function = api.create_function(&app, "f", &image).await.unwrap();
    let answer = cluster.front().invoke(&function, "x").await.unwrap();
    assert_ne!(answer.status, 200, "an LB that asks for no tokens must not serve a guarded platform");
    cluster.node("lb").wait_for_log("set FN_AUTH=token", Duration::from_secs(15)).await.unwrap();
    let anonymous = cluster.api().ask(Method::GET, "/v2/runner/changes", None).await.unwrap();
    assert_eq!(anonymous.status, 401);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn in_clear_load_balancers_are_told_to_use_https() {
    let shape = Cluster::builder().api().env("api", "FN_AUTH", "token");
    let cluster = shape.allow_log("load balancers read this node over https").start().await.unwrap();
    let refused = cluster.api().ask(Method::GET, "/v2/runner/changes", None).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.message().contains("https"), "{}", refused.text());
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_tool_makes_no_catalogue_where_there_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["token", "create", "--role", "admin", "--all-apps"];
    let state = directory.path().join("data");
    let program = daemons::get().await.unwrap().program("remuda").unwrap();
    let run = |url: &str| {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env("FN_STATE_DIR", &state).env("FN_DB_URL", url);
        command
    };
    let empty = tokio::task::spawn_blocking(|| shared::postgres()?.fresh_database()).await.unwrap().unwrap();
    for url in ["", empty.as_str()] {
        let refused = process::run(&mut run(url), Duration::from_secs(30)).await.unwrap_err().to_string();
        assert!(refused.contains("there is no catalogue of this release in"), "{refused}");
    }
    assert!(!state.exists(), "nothing was made");
}
