//! News of changes: a stream that an API node keeps open, and another one's when it ends.

use super::Shared;
use super::ask::Failed;
use super::lines::{Line, Lines};
use super::random;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use remuda_core::port::{Changed, News};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

const PATH: PathAndQuery = PathAndQuery::from_static("/v2/runner/changes");
/// What the stream is written in: one JSON array of changes a line, an empty one when there are none.
const NDJSON: &str = "application/x-ndjson";
/// A stream without a line for this long is lost. An API node sends four in this time.
const SILENCE: Duration = Duration::from_secs(2);
/// The pauses between two attempts: the first, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A stream that lasted this long was a good one: after it the pauses begin anew.
const LASTING: Duration = Duration::from_secs(5);
/// A node that cannot tell of changes may be another release's after this long.
const UNABLE: Duration = Duration::from_secs(30);
/// The most that is read of a refusal, in bytes.
const REFUSAL: usize = 4096;

pub(super) fn watch(shared: Arc<Shared>) -> BoxStream<'static, News> {
    unfold(Watch::new(shared), |mut watch| async move { Some((watch.next().await, watch)) }).boxed()
}

/// Why a node tells nothing.
enum Mute {
    /// It does not know how: Fn's own API node, or an older one of ours.
    Unable(StatusCode),
    Failed(Failed),
}

/// An API node as one that tells of changes.
#[derive(Clone, Copy)]
struct Prospect {
    /// Not to be asked before.
    not_before: Instant,
    /// Whether it was logged that it is unable.
    is_known_unable: bool,
}

struct Watch {
    shared: Arc<Shared>,
    prospects: Vec<Prospect>,
    /// The node to ask next, if it may be asked.
    next_node: usize,
    /// Before the next attempt.
    pause: Duration,
    session: Option<Session>,
}

impl Watch {
    fn new(shared: Arc<Shared>) -> Self {
        let prospect = Prospect { not_before: Instant::now(), is_known_unable: false };
        let prospects = vec![prospect; shared.nodes.len()];
        Self { shared, prospects, next_node: 0, pause: Duration::ZERO, session: None }
    }

    async fn next(&mut self) -> News {
        loop {
            let Some(session) = &mut self.session else {
                self.connect().await;
                continue;
            };
            match session.next().await {
                Ok(_) if session.began.is_none() => {
                    session.began = Some(Instant::now());
                    let url = self.shared.nodes.url(session.node);
                    tracing::info!(%url, "told of changes to definitions");
                    return News::Began;
                }
                Ok(things) if things.is_empty() => {}
                Ok(things) => return News::Changed(things),
                Err(reason) => {
                    if self.lost(&reason) {
                        return News::Ended;
                    }
                }
            }
        }
    }

    /// The stream ended; true if it had begun to tell.
    fn lost(&mut self, reason: &str) -> bool {
        let Some(Session { node, began, .. }) = self.session.take() else { return false };
        if began.is_some_and(|began| began.elapsed() >= LASTING) {
            self.pause = Duration::ZERO;
        }
        self.lengthen_pause();
        let url = self.shared.nodes.url(node);
        match began {
            Some(_) => tracing::info!(%url, reason, "not told of changes to definitions for now"),
            None => tracing::debug!(%url, reason, "not told of changes to definitions"),
        }
        began.is_some()
    }

    fn lengthen_pause(&mut self) {
        self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
    }

    /// Asks the node whose turn it is.
    async fn connect(&mut self) {
        sleep(jittered(self.pause)).await;
        let node = self.whose_turn().await;
        self.next_node = (node + 1) % self.prospects.len();
        let opened = match timeout(SILENCE, self.shared.open(node)).await {
            Ok(opened) => opened,
            Err(_) => Err(Mute::Failed(Failed::Late(self.shared.nodes.url(node).to_string()))),
        };
        match opened {
            Ok(response) => {
                self.prospects[node].is_known_unable = false;
                self.session = Some(Session { node, lines: Lines::new(response.into_body()), began: None });
            }
            Err(Mute::Unable(status)) => self.unable(node, status),
            Err(Mute::Failed(failed)) => {
                self.lengthen_pause();
                tracing::debug!(
                    error = crate::connection::chain(&failed),
                    "not told of changes to definitions"
                );
            }
        }
    }

    /// The next node that may be asked, once there is one.
    async fn whose_turn(&self) -> usize {
        let count = self.prospects.len();
        let in_turn = || (0..count).map(|n| (self.next_node + n) % count);
        let now = Instant::now();
        let soonest = in_turn().min_by_key(|node| self.prospects[*node].not_before.max(now));
        let node = soonest.unwrap_or_default();
        sleep_until(self.prospects[node].not_before).await;
        node
    }

    fn unable(&mut self, node: usize, status: StatusCode) {
        let url = self.shared.nodes.url(node);
        let prospect = &mut self.prospects[node];
        prospect.not_before = Instant::now() + UNABLE;
        if !std::mem::replace(&mut prospect.is_known_unable, true) {
            tracing::info!(%url, %status, "an API node does not tell of changes, definitions are asked for by their age");
        }
    }
}

impl Shared {
    async fn open(&self, node: usize) -> Result<Response<Incoming>, Mute> {
        let response = self.send(node, &PATH).await.map_err(Mute::Failed)?;
        let status = response.status();
        match status {
            StatusCode::OK if is_ndjson(&response) => Ok(response),
            StatusCode::OK
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Err(Mute::Unable(status)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let body = Limited::new(response.into_body(), REFUSAL).collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                Err(Mute::Failed(self.refused(node, &PATH, status, &body)))
            }
            other => Err(Mute::Failed(Failed::Status(self.nodes.url(node).at(&PATH).to_string(), other))),
        }
    }
}

fn is_ndjson(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(NDJSON))
    })
}

/// An open stream.
struct Session {
    node: usize,
    lines: Lines<Incoming>,
    /// When its first line came.
    began: Option<Instant>,
}

impl Session {
    /// What the next line tells; the error is why there is none.
    async fn next(&mut self) -> Result<Vec<Changed>, String> {
        match timeout(SILENCE, self.lines.next()).await {
            Ok(Some(Ok(line))) => Ok(things(&line)),
            Ok(Some(Err(error))) => Err(crate::connection::chain(&error)),
            Ok(None) => Err("the stream ended".to_owned()),
            Err(_) => Err(format!("the stream was silent for {SILENCE:?}")),
        }
    }
}

/// What a line tells. One that cannot be read may tell of anything: a later release may know of changes that this one
/// does not.
fn things(line: &Line) -> Vec<Changed> {
    match line {
        Line::Whole(text) if text.trim_ascii().is_empty() => Vec::new(),
        Line::Whole(text) => serde_json::from_slice(text).unwrap_or_else(|_| vec![Changed::Everything]),
        Line::TooLong => vec![Changed::Everything],
    }
}

/// Half of it, and a random part of the other half: those who lost the same node do not come back in step.
fn jittered(pause: Duration) -> Duration {
    pause / 2 + pause / 2 * u32::try_from(random::below(1024)).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Changed> {
        things(&Line::Whole(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_line_tells_of_changes_or_of_nothing_and_what_cannot_be_read_of_everything() {
        let function = Changed::Function { id: remuda_core::FnId::new("f") };
        assert_eq!(read(r#"[{"changed":"function","id":"f","later":1}]"#), [function]);
        for nothing in ["[]", "", "\r", " [] \r"] {
            assert_eq!(read(nothing), [], "{nothing:?}");
        }
        for anything in
            [r#"[{"changed":"moon"}]"#, "{", "null", "\u{1}", r#"[{"changed":"function"}]"#, "[[]]"]
        {
            assert_eq!(read(anything), [Changed::Everything], "{anything:?}");
        }
        assert_eq!(things(&Line::TooLong), [Changed::Everything]);
    }

    #[test]
    fn pauses_are_shorter_by_up_to_half() {
        let pauses: Vec<_> = (0..100).map(|_| jittered(LONGEST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    proptest! {
        #[test]
        fn any_line_can_be_had(bytes: Vec<u8>) {
            let _ = things(&Line::Whole(bytes));
        }
    }
}
