//! Several API nodes on one real database, and a database that dies and comes back while the platform works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remuda_cluster_tests::{Seen, deploy};
use remuda_harness::{Api, AppId, Cluster, Front, FunctionId, Tls, images, until};
use remuda_test_databases::{MariaDb, Options, Postgres};
use reqwest::Method;
use serde_json::json;

/// What nodes that lose their database say of it.
const AWAY: &str = "the database is not available";

/// A server that a test takes away.
trait Database: Send + 'static {
    fn kill(&mut self);
    fn start_again(&mut self);
}

impl Database for Postgres {
    fn kill(&mut self) {
        Postgres::kill(self);
    }
    fn start_again(&mut self) {
        Postgres::start_again(self).unwrap();
    }
}

impl Database for MariaDb {
    fn kill(&mut self) {
        MariaDb::kill(self);
    }
    fn start_again(&mut self) {
        MariaDb::start_again(self).unwrap();
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn postgresql_dies_and_returns_under_load() {
    let (server, url) = blocking(|| {
        let server = Postgres::start(Options::default()).unwrap();
        let url = server.fresh_database().unwrap();
        (server, url)
    })
    .await;
    dies_and_returns(server, &url).await;
}

#[tokio::test]
async fn mariadb_dies_and_returns_under_load() {
    let (server, url) = blocking(|| {
        let server = MariaDb::start(Options::default()).unwrap();
        let url = remuda_test_databases::go_form(&server.fresh_database().unwrap());
        (server, url)
    })
    .await;
    dies_and_returns(server, &url).await;
}

/// What the load saw.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    calls: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
}

async fn call_on(front: Front, function: FunctionId, load: Arc<Load>) {
    while !load.stop.load(Ordering::Relaxed) {
        let answer = front.invoke(&function, "x").await.unwrap();
        assert_eq!(answer.status, 200, "a known function failed: {}", answer.text());
        load.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Creates functions until told to stop; the names of those that the API said it stored.
async fn write_on(api: Api, app: AppId, image: String, name: &'static str, load: Arc<Load>) -> Vec<String> {
    let mut stored = Vec::new();
    let mut number = 0;
    while !load.stop.load(Ordering::Relaxed) {
        number += 1;
        let name = format!("{name}{number}");
        let function = json!({ "name": name, "app_id": app.0, "image": image, "config": { "K": name } });
        let answer = api.ask(Method::POST, "/v2/fns", Some(&function)).await.unwrap();
        match answer.status {
            200 => {
                stored.push(name);
                load.written.fetch_add(1, Ordering::Relaxed);
            }
            503 => {
                assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
                assert_eq!(answer.message(), AWAY);
                load.refused.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("{other}: {}", answer.text()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stored
}

async fn names(api: &Api, app: &AppId) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v2/fns?app_id={}&per_page=100&cursor={cursor}", app.0);
        let page = api.send(Method::GET, &path, None).await.unwrap();
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["config"]["K"], item["name"], "half of a function was stored: {item}");
            all.push(item["name"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return all,
        }
    }
}

async fn dies_and_returns<D: Database>(mut server: D, url: &str) {
    let shape = Cluster::builder().api().api().lb().shared_runner().tls(Tls::SelfSigned);
    let shape = shape.env("api", "FN_DB_URL", url).env("api-2", "FN_DB_URL", url);
    // The LB hears of it as an API node that cannot answer.
    let shape = shape.allow_log(AWAY).allow_log("definitions cannot be had");
    // sqlx's own word on a connection that ends while it rests.
    let shape = shape.allow_log("testing the connection on-release");
    let mut cluster = shape.start().await.unwrap();
    let image = images::probe().await.unwrap();
    let (api, second, front) = (cluster.api(), cluster.api_at("api-2"), cluster.front());
    let function = deploy(&api, "known", &[("VERSION", "1")], &image).await.unwrap();
    let app = api.create_app("written", &[]).await.unwrap();
    assert_eq!(Seen::of(&front.invoke(&function, "").await.unwrap()).variable("VERSION"), "1");

    let load = Arc::new(Load::default());
    let calls = tokio::spawn(call_on(front.clone(), function.clone(), load.clone()));
    let writes = [("a", &api), ("b", &second)].map(|(name, api)| {
        tokio::spawn(write_on(api.clone(), app.clone(), image.clone(), name, load.clone()))
    });
    let count = |counter: fn(&Load) -> &AtomicU64, more: u64| {
        let (load, from) = (load.clone(), counter(&load).load(Ordering::Relaxed));
        async move {
            let enough = async || counter(&load).load(Ordering::Relaxed) >= from + more;
            until("the load to get on", Duration::from_secs(60), enough).await.unwrap();
        }
    };
    count(|load| &load.written, 20).await;
    let server = blocking(move || {
        server.kill();
        server
    })
    .await;
    let killed = Instant::now();
    count(|load| &load.refused, 4).await;
    count(|load| &load.calls, 50).await;
    // Longer than any age of what the LB knows.
    tokio::time::sleep(Duration::from_secs(7).saturating_sub(killed.elapsed())).await;
    count(|load| &load.calls, 50).await;
    let mut server = server;
    let server = blocking(move || {
        server.start_again();
        server
    })
    .await;
    count(|load| &load.written, 20).await;
    load.stop.store(true, Ordering::Relaxed);
    calls.await.unwrap();
    let mut stored = Vec::new();
    for task in writes {
        stored.extend(task.await.unwrap());
    }

    let found = names(&second, &app).await;
    let lost: Vec<_> = stored.iter().filter(|name| !found.contains(name)).collect();
    assert!(lost.is_empty(), "stored and lost: {lost:?}");
    // And changes reach the LB again, through either node.
    let change = json!({ "config": { "VERSION": "2" } });
    second.send(Method::PUT, &format!("/v2/fns/{}", function.0), Some(&change)).await.unwrap();
    let seen = async || Seen::of(&front.invoke(&function, "").await.unwrap()).variable("VERSION") == "2";
    until("the change to be in force", Duration::from_secs(10), seen).await.unwrap();
    cluster.shutdown().await.unwrap();
    drop(server);
}
