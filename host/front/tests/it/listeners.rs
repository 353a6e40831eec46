//! Listeners: what they may change and refuse, and what they hear.

use crate::node::{answer, echo, failing, pieces, saying, streamed};
use crate::room::{Room, Sender};
use async_trait::async_trait;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use remuda_core::port::{AppListener, CallEnd, CallListener, FnListener, TriggerListener};
use remuda_core::testing::FakeInvoker;
use remuda_core::{App, AppId, Call, Fault, Function, Kind, Trigger};
use serde_json::json;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

type Ending = (Option<u16>, Option<Kind>, u64);

/// Writes down what it hears, and refuses what is called `bad`.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<String>>,
    ended: Mutex<Vec<Ending>>,
    refuses_calls: bool,
}

impl Ear {
    fn hear(&self, what: impl Into<String>) {
        self.heard.lock().unwrap().push(what.into());
    }
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
    fn ended(&self) -> Vec<Ending> {
        self.ended.lock().unwrap().clone()
    }
}

fn judge(name: &str) -> Result<(), Fault> {
    if name == "bad" { Err(Fault::user(Kind::TooMany, "no more of these")) } else { Ok(()) }
}

#[async_trait]
impl AppListener for Ear {
    async fn before_create(&self, app: &mut App) -> Result<(), Fault> {
        judge(&app.name)?;
        app.config.insert("ADDED".into(), "1".into());
        Ok(())
    }
    async fn after_create(&self, app: &App) -> Result<(), Fault> {
        self.hear(format!("created {}", app.name));
        Ok(())
    }
    async fn before_get(&self, _: &AppId) -> Result<(), Fault> {
        self.hear("get");
        Ok(())
    }
}

#[async_trait]
impl FnListener for Ear {
    async fn before_create(&self, function: &mut Function) -> Result<(), Fault> {
        judge(&function.name)
    }
}

#[async_trait]
impl TriggerListener for Ear {
    async fn before_update(&self, trigger: &mut Trigger) -> Result<(), Fault> {
        judge(&trigger.name)
    }
}

#[async_trait]
impl CallListener for Ear {
    async fn before_call(&self, call: &mut Call) -> Result<(), Fault> {
        if self.refuses_calls {
            return Err(Fault::user(Kind::TooMany, "used up"));
        }
        call.headers.insert("x-added", "1".parse().unwrap());
        Ok(())
    }
    fn after_call(&self, _: &Call, end: &CallEnd) {
        let status = end.status.map(|status| status.as_u16());
        let ending = (status, end.fault.as_ref().map(|fault| fault.kind), end.bytes);
        self.ended.lock().unwrap().push(ending);
    }
}

fn heard_by(ears: &[&Arc<Ear>], invoker: FakeInvoker) -> Room {
    let with = |ports: &mut remuda_front::Ports| {
        for ear in ears {
            let listeners = &mut ports.extensions.listeners;
            listeners.apps.push(Arc::clone(ear) as _);
            listeners.functions.push(Arc::clone(ear) as _);
            listeners.triggers.push(Arc::clone(ear) as _);
            listeners.calls.push(Arc::clone(ear) as _);
        }
    };
    Room::with(with, invoker)
}

async fn call(room: &Room, headers: &[(&str, &str)]) -> http::Response<Body> {
    let app = room.make(&Sender::Anyone, "/v2/apps", json!({"name": "app"})).await;
    let function = json!({"name": "f", "app_id": app, "image": "i"});
    let function = room.make(&Sender::Anyone, "/v2/fns", function).await;
    let mut request = Request::post(format!("/invoke/{function}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    room.router.clone().oneshot(request.body(Body::from("hello")).unwrap()).await.unwrap()
}

#[tokio::test]
async fn listeners_change_and_refuse_what_is_managed() {
    let ear = Arc::new(Ear::default());
    let room = heard_by(&[&ear], echo());
    let anyone = &Sender::Anyone;
    let app = room.ask(anyone, "POST /v2/apps", json!({"name": "app"})).await.object();
    assert_eq!(app["config"], json!({"ADDED": "1"}));
    let refused = room.ask(anyone, "POST /v2/apps", json!({"name": "bad"})).await;
    assert_eq!((refused.status, refused.message().as_str()), (429, "no more of these"));
    assert_eq!(refused.headers["retry-after"], "15");
    let app = app["id"].as_str().unwrap();
    let function = json!({"name": "bad", "app_id": app, "image": "i"});
    assert_eq!(room.ask(anyone, "POST /v2/fns", function).await.status, 429);
    let function = room.make(anyone, "/v2/fns", json!({"name": "f", "app_id": app, "image": "i"})).await;
    let trigger = json!({"name": "t", "app_id": app, "fn_id": function, "type": "http", "source": "/x"});
    let trigger = room.make(anyone, "/v2/triggers", trigger).await;
    let renamed = room.ask(anyone, &format!("PUT /v2/triggers/{trigger}"), json!({"name": "bad"})).await;
    assert_eq!(renamed.status, 429);
    assert_eq!(ear.heard(), ["created app"], "what we ask ourselves is no client's question");
    room.ask(anyone, &format!("GET /v2/apps/{app}"), "").await.object();
    assert_eq!(ear.heard(), ["get"]);
}

#[tokio::test]
async fn a_listener_changes_what_a_function_is_given_and_hears_how_the_call_ended() {
    let ear = Arc::new(Ear::default());
    let room = heard_by(&[&ear], saying(&[("fn-http-status", "404")], "text"));
    let response = call(&room, &[]).await;
    assert!(ear.ended().is_empty(), "the answer is still on its way");
    response.into_body().collect().await.unwrap();
    assert_eq!(ear.ended(), [(Some(404), None, 4)]);
    assert_eq!(room.invoker.calls()[0].headers["x-added"], "1");
}

#[tokio::test]
async fn a_call_that_failed_has_ended_too() {
    let ear = Arc::new(Ear::default());
    let room = heard_by(&[&ear, &ear], failing(Fault::busy()));
    assert_eq!(call(&room, &[]).await.status(), 503);
    assert_eq!(ear.ended(), [(None, Some(Kind::Busy), 0); 2], "each listener hears it once");
}

#[tokio::test]
async fn a_call_that_broke_off_says_why_and_how_far_it_came() {
    let ear = Arc::new(Ear::default());
    let broken = || Fault::user(Kind::FunctionFailed, "broken");
    let invoker =
        FakeInvoker::new(move |_, _| async move { Ok(answer(&[], pieces(vec![Ok("abc"), Err(broken())]))) });
    let room = heard_by(&[&ear], invoker);
    assert!(call(&room, &[]).await.into_body().collect().await.is_err());
    assert_eq!(ear.ended(), [(Some(200), Some(Kind::FunctionFailed), 3)]);
}

#[tokio::test]
async fn a_caller_who_goes_away_is_told_of_as_one() {
    let ear = Arc::new(Ear::default());
    let keep = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&keep);
    let invoker = FakeInvoker::new(move |_, _| {
        let (sender, body) = streamed();
        sender.try_send(Ok("abc".into())).unwrap();
        *kept.lock().unwrap() = Some(sender);
        async move { Ok(answer(&[], body)) }
    });
    let room = heard_by(&[&ear], invoker);
    let mut body = call(&room, &[]).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(ear.ended(), [(Some(200), Some(Kind::Cancelled), 3)]);

    let ear = Arc::new(Ear::default());
    let room = heard_by(&[&ear], FakeInvoker::new(|_, _| std::future::pending()));
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), call(&room, &[])).await;
    assert!(waiting.is_err());
    assert_eq!(ear.ended(), [(None, Some(Kind::Cancelled), 0)]);
}

#[tokio::test]
async fn an_answer_whose_last_byte_is_out_has_ended_well_even_if_nobody_asks_for_more() {
    let ear = Arc::new(Ear::default());
    let room = heard_by(&[&ear], saying(&[], "text"));
    let mut body = call(&room, &[]).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(ear.ended(), [(Some(200), None, 4)]);

    let ear = Arc::new(Ear::default());
    let room = heard_by(&[&ear], saying(&[], ""));
    assert_eq!(call(&room, &[("fn-invoke-type", "detached")]).await.status(), 202);
    assert_eq!(ear.ended(), [(None, None, 0)], "what was accepted has not been answered");
}

#[tokio::test]
async fn a_refused_call_runs_nowhere_and_has_no_end() {
    let (first, second) = (Arc::new(Ear::default()), Arc::new(Ear { refuses_calls: true, ..Ear::default() }));
    let room = heard_by(&[&first, &second], echo());
    let response = call(&room, &[]).await;
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("fn-call-id") && response.headers().contains_key("retry-after"));
    assert!(room.invoker.calls().is_empty());
    assert!(first.ended().is_empty() && second.ended().is_empty());
}
