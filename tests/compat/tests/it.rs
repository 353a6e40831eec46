//! The scenarios can all be read, and the replay tells servers apart.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{any, delete, get, post};
use remuda_compat::{Outcome, Target, fn_v2, load, replay};

async fn serve(router: Router) -> Target {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Target { api, ..Target::default() }
}

fn files(texts: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        std::fs::write(directory.path().join(format!("{name}.toml")), text).unwrap();
    }
    directory
}

const ID: &str = "01M7WJPG9VR00040KDP400000D";

#[test]
fn every_scenario_can_be_read_and_says_why() {
    let scenarios = load(&fn_v2()).unwrap();
    assert!(scenarios.len() > 20, "{} scenarios", scenarios.len());
    for scenario in scenarios {
        assert!(!scenario.why.is_empty() && !scenario.steps.is_empty(), "{}", scenario.name);
        let has_others = scenario.steps.iter().any(|step| !step.either.is_empty());
        assert!(
            !has_others || scenario.differs.is_some(),
            "{} accepts other answers and does not say how we differ",
            scenario.name
        );
    }
}

#[tokio::test]
async fn what_a_step_keeps_the_next_one_sends() {
    let router = Router::new()
        .route("/a", post(|| async { format!(r#"{{"id":"{ID}"}}"#) }))
        .route("/a/{id}", get(|axum::extract::Path(id): axum::extract::Path<String>| async move { id }));
    let scenario = "title = 'a'\nwhy = 'b'\n[[step]]\nsend = 'POST /a'\nstatus = 200\n\
                    answer = '{\"id\":\"<id as app>\"}'\n\
                    [[step]]\nsend = 'GET /a/{{app}}'\nstatus = 200\nanswer = '{{app}}'\n";
    let report = replay(&serve(router).await, files(&[("one", scenario)]).path()).await.unwrap();
    assert!(report.is_same(), "{report}");
}

#[tokio::test]
async fn a_difference_shows_what_was_expected_and_what_came() {
    let router = Router::new().route("/a", get(|| async { (StatusCode::IM_A_TEAPOT, "abd") }));
    let scenario =
        "title = 'a'\nwhy = 'b'\n[[step]]\nname = 'look'\nsend = 'GET /a'\nstatus = 200\nanswer = 'abc'\n";
    let report = replay(&serve(router).await, files(&[("one", scenario)]).path()).await.unwrap();
    assert!(!report.is_same());
    let text = report.to_string();
    for part in [
        "DIFFERS  one: a",
        "step 1 (look): GET http://",
        "expected 200, got 418",
        "\"abc\"",
        "from byte 2: \"d\"",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[tokio::test]
async fn the_originals_answer_is_accepted_unless_ours_is_demanded() {
    let router = Router::new().route("/a", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "") }));
    let scenario =
        "title = 'a'\nwhy = 'b'\n[[step]]\nsend = 'GET /a'\nstatus = 404\n[[step.either]]\nstatus = 500\n";
    let directory = files(&[("one", scenario)]);
    let target = serve(router).await;
    let report = replay(&target, directory.path()).await.unwrap();
    assert!(report.is_same() && report.scenarios[0].otherwise == 1, "{report}");
    let strict = replay(&Target { strict: true, ..target }, directory.path()).await.unwrap();
    assert!(!strict.is_same());
}

#[tokio::test]
async fn what_needs_an_image_is_left_out_without_one() {
    let router = Router::new().route("/a", any(|| async {}));
    let whole = "title = 'a'\nwhy = 'b'\nneeds = ['image']\n[[step]]\nsend = 'GET /x'\nstatus = 200\n";
    let part = "title = 'a'\nwhy = 'b'\n[[step]]\nsend = 'GET /a'\nstatus = 200\n\
                [[step]]\nneeds = ['image']\nsend = 'GET /{{image}}'\nstatus = 200\n";
    let directory = files(&[("part", part), ("whole", whole)]);
    let target = serve(router).await;
    let report = replay(&target, directory.path()).await.unwrap();
    assert!(report.is_same() && report.left_out() == 2, "{report}");
    assert!(matches!(report.scenarios[1].outcome, Outcome::LeftOut(_)));
    let with_image = Target { image: Some("nothing".to_owned()), ..target };
    assert!(!replay(&with_image, directory.path()).await.unwrap().is_same());
}

#[tokio::test]
async fn apps_are_deleted_even_when_a_step_differs() {
    let deleted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&deleted);
    let router = Router::new().route("/v2/apps", post(|| async { format!(r#"{{"id":"{ID}"}}"#) })).route(
        "/v2/apps/{id}",
        delete(move || async move {
            counter.fetch_add(1, Ordering::Relaxed);
            StatusCode::NO_CONTENT
        }),
    );
    let scenario = "title = 'a'\nwhy = 'b'\n[[step]]\nrepeat = 3\nsend = 'POST /v2/apps'\nstatus = 200\n\
                    [[step]]\nsend = 'GET /nothing'\nstatus = 200\n";
    let report = replay(&serve(router).await, files(&[("one", scenario)]).path()).await.unwrap();
    assert!(!report.is_same());
    assert_eq!(deleted.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_difference() {
    let target = Target { api: "http://127.0.0.1:1".to_owned(), ..Target::default() };
    let scenario = "title = 'a'\nwhy = 'b'\n[[step]]\nsend = 'GET /a'\nstatus = 200\n";
    let report = replay(&target, files(&[("one", scenario)]).path()).await.unwrap();
    assert!(report.to_string().contains("no answer:"), "{report}");
}
