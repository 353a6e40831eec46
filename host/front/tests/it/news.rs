//! What load balancers hear of changes.

use crate::node::{LIMIT, Node, echo};
use crate::room::{Room, Sender};
use axum::body::Body;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, iter, pending};
use http::Request;
use http_body_util::BodyExt;
use remuda_core::port::{Changed, Changes, News};
use remuda_core::{FnId, TokenId};
use remuda_front::Peer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tower::ServiceExt;

/// A response's body, line by line.
struct Lines {
    body: Body,
    rest: String,
}

impl Lines {
    async fn next(&mut self) -> Option<Value> {
        while !self.rest.contains('\n') {
            let frame = timeout(LIMIT, self.body.frame()).await.unwrap()?.unwrap();
            self.rest.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        let (line, rest) = self.rest.split_once('\n').unwrap();
        let line = serde_json::from_str(line).unwrap();
        self.rest = rest.to_owned();
        Some(line)
    }
    /// The next line that is no sign of life.
    async fn next_news(&mut self) -> Option<Value> {
        loop {
            let line = self.next().await?;
            if line != json!([]) {
                return Some(line);
            }
        }
    }
}

async fn watch(room: &Room) -> Lines {
    let mut request =
        Request::get("/v2/runner/changes").header("remuda-auth", "token").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer::Node);
    let response = room.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    Lines { body: response.into_body(), rest: String::new() }
}

/// Tells this, and then nothing more.
struct Fixed(Vec<News>);

impl Changes for Fixed {
    fn watch(&self) -> BoxStream<'static, News> {
        iter(self.0.clone()).chain(pending()).boxed()
    }
}

fn telling(news: Vec<News>) -> Room {
    Room::with(|ports| ports.management.as_mut().unwrap().changes = Arc::new(Fixed(news)), echo())
}

#[tokio::test]
async fn a_watcher_is_told_what_changed_as_it_changes() {
    let room = Room::guarded();
    let admin = room.admin().await;
    let mut lines = watch(&room).await;
    assert_eq!(lines.next().await, Some(json!([])), "it has begun");
    let app = room.make(&admin, "/v2/apps", json!({"name": "a"})).await;
    assert_eq!(lines.next_news().await, Some(json!([{"changed": "app", "id": app, "name": "a"}])));
    let _ = room.holder(remuda_core::access::Role::Admin, remuda_core::AppSet::All).await;
    assert_eq!(lines.next_news().await, Some(json!([{"changed": "token", "id": "T1"}])));
}

#[tokio::test]
async fn a_sign_of_life_comes_at_least_every_half_second() {
    let mut lines = watch(&Room::open()).await;
    for _ in 0..4 {
        let asked = Instant::now();
        assert_eq!(lines.next().await, Some(json!([])));
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn nothing_is_said_before_changes_can_be_told() {
    let mut lines = watch(&telling(vec![])).await;
    let early = timeout(Duration::from_millis(600), lines.body.frame()).await;
    assert!(early.is_err(), "{early:?}");
}

#[tokio::test]
async fn the_stream_ends_when_changes_may_go_untold() {
    let changed = Changed::Function { id: FnId::new("F") };
    let news = vec![
        News::Began,
        News::Changed(vec![changed, Changed::Token { id: TokenId::new("T") }]),
        News::Began,
        News::Ended,
        News::Changed(vec![Changed::Everything]),
    ];
    let mut lines = watch(&telling(news)).await;
    assert_eq!(lines.next().await, Some(json!([])));
    let both = json!([{"changed": "function", "id": "F"}, {"changed": "token", "id": "T"}]);
    assert_eq!(lines.next_news().await, Some(both));
    assert_eq!(lines.next_news().await, Some(json!([{"changed": "everything"}])), "it began anew");
    assert_eq!(lines.next_news().await, None);
}

#[tokio::test]
async fn what_is_too_much_for_one_line_is_told_in_several() {
    let things: Vec<_> = (0..150).map(|n| Changed::Function { id: FnId::new(format!("F{n}")) }).collect();
    let mut lines = watch(&telling(vec![News::Began, News::Changed(things)])).await;
    let mut told = Vec::new();
    while told.len() < 150 {
        let line = lines.next_news().await.unwrap();
        assert!(line.as_array().unwrap().len() <= 64);
        told.extend(line.as_array().unwrap().clone());
    }
    assert_eq!(told[149], json!({"changed": "function", "id": "F149"}));
}

#[tokio::test]
async fn a_draining_node_ends_its_streams() {
    let room = Room::open();
    let mut lines = watch(&room).await;
    lines.next().await;
    room.readiness.drain();
    let asked = Instant::now();
    assert_eq!(lines.next_news().await, None);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_stopping_node_does_not_wait_for_its_watchers() {
    let node = Node::start(echo()).await;
    let mut watcher = node.connect().await;
    watcher.write("GET /v2/runner/changes HTTP/1.1\r\nhost: h\r\n\r\n").await;
    watcher.read_to("[]\n").await;
    node.readiness.drain();
    node.shutdown.cancel();
    timeout(Duration::from_secs(5), node.served).await.unwrap().unwrap().unwrap();
    assert!(watcher.read_to_close().await.ends_with("0\r\n\r\n"), "it ended in order");
}

#[tokio::test]
async fn watchers_are_bounded_and_make_room_when_they_go() {
    let room = Room::open();
    let mut watchers = Vec::new();
    for _ in 0..256 {
        watchers.push(watch(&room).await);
    }
    let told = room.ask(&Sender::Anyone, "GET /v2/runner/changes", "").await;
    assert_eq!((told.status, &told.headers["retry-after"]), (503, &"15".parse().unwrap()));
    watchers.pop();
    watch(&room).await;
}

#[tokio::test]
async fn only_nodes_hear_of_changes_where_tokens_are_checked() {
    let room = Room::guarded();
    let admin = room.admin().await;
    assert_eq!(room.ask(&admin, "GET /v2/runner/changes", "").await.status, 403);
    assert_eq!(room.ask(&Sender::Anyone, "GET /v2/runner/changes", "").await.status, 401);
}
