//! News of changes as lines of JSON: each an array of what changed, and an empty one as a sign of life.

use crate::Readiness;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use remuda_core::port::{Changed, News};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How many may hear of changes at once from one node.
pub(in crate::dialect::fn_v2) const MAX_WATCHERS: usize = 256;
/// How often there is a sign of life, and a look at whether the node stops. Readers are promised one every 500 ms.
const BEAT: Duration = Duration::from_millis(250);

/// How many things one line names at most. Readers take 1 MiB a line, and a trigger's source can have 12 KiB as JSON.
const MAX_THINGS: usize = 64;

struct Watcher {
    news: BoxStream<'static, News>,
    beat: Interval,
    /// Whether changes are told by now. Before, nothing is said: the first line is what readers rely on.
    began: bool,
    readiness: Readiness,
    _place: OwnedSemaphorePermit,
}

/// The lines, until changes may go untold or the node stops. Reading is what drives it: who does not read holds up
/// nobody, and hears that everything changed.
pub(super) fn lines(
    news: BoxStream<'static, News>,
    readiness: Readiness,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, serde_json::Error>> + Send + 'static {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = Watcher { news, beat, began: false, readiness, _place: place };
    stream::unfold(watcher, |mut watcher| async move {
        let line = watcher.next().await?;
        Some((line, watcher))
    })
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Bytes, serde_json::Error>> {
        loop {
            let news = tokio::select! {
                news = self.news.next() => Some(news?),
                _ = self.beat.tick() => None,
            };
            if self.readiness.is_draining() {
                return None;
            }
            match news {
                None if !self.began => {}
                None => return Some(line(&[])),
                Some(News::Began) if !self.began => {
                    self.began = true;
                    self.beat.reset();
                    return Some(line(&[]));
                }
                // Whatever was changed since it ended went untold.
                Some(News::Began) => return Some(line(&[Changed::Everything])),
                Some(News::Changed(things)) if self.began => return Some(line(&things)),
                Some(News::Changed(_)) => {}
                Some(News::Ended) => return None,
            }
        }
    }
}

/// A line, or as many as keep each of them below what readers take.
fn line(things: &[Changed]) -> Result<Bytes, serde_json::Error> {
    if things.is_empty() {
        return Ok(Bytes::from_static(b"[]\n"));
    }
    let mut lines = Vec::new();
    for some in things.chunks(MAX_THINGS) {
        serde_json::to_writer(&mut lines, some)?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}
