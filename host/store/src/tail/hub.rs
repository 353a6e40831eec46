//! Those who watch.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use remuda_core::port::{Changed, News};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};

/// How much news may wait for a watcher that does not keep up.
const BACKLOG: usize = 256;

/// Hands news to those who watch.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Whether changes are being told.
    is_live: bool,
    news: broadcast::Sender<News>,
}

impl Hub {
    /// Without watchers.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { is_live: false, news: broadcast::Sender::new(BACKLOG) }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// News from now on.
    pub(crate) fn watch(&self) -> BoxStream<'static, News> {
        let state = self.state();
        let (news, is_live) = (state.news.subscribe(), state.is_live);
        let began = is_live.then_some(News::Began);
        stream::iter(began).chain(stream::unfold((news, is_live), next)).boxed()
    }

    /// Tells everybody.
    pub(super) fn tell(&self, news: News) {
        // It fails when nobody watches.
        let _ = self.state().news.send(news);
    }

    /// Changes are told from now on.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.is_live = true;
        let _ = state.news.send(News::Began);
    }

    /// Changes cannot be told any more. Says whether that is new.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        let was_live = std::mem::replace(&mut state.is_live, false);
        if was_live {
            let _ = state.news.send(News::Ended);
        }
        was_live
    }

    /// Says whether nobody watches: from then on nothing is told until the next beginning.
    pub(super) fn rest_unless_watched(&self) -> bool {
        let mut state = self.state();
        let nobody = state.news.receiver_count() == 0;
        if nobody {
            state.is_live = false;
        }
        nobody
    }
}

type Watcher = (broadcast::Receiver<News>, bool);

/// The next news of a watcher that has heard `is_live` so far.
async fn next((mut news, is_live): Watcher) -> Option<(News, Watcher)> {
    let told = match news.recv().await {
        Ok(told) => told,
        // What was missed may be the beginning too.
        Err(RecvError::Lagged(_)) if is_live => News::Changed(vec![Changed::Everything]),
        Err(RecvError::Lagged(_)) => News::Began,
        Err(RecvError::Closed) => return None,
    };
    let is_live = told != News::Ended && (is_live || told == News::Began);
    Some((told, (news, is_live)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> News {
        News::Changed(vec![Changed::Everything])
    }

    #[tokio::test]
    async fn who_comes_late_hears_that_changes_are_told() {
        let hub = Hub::new();
        let mut early = hub.watch();
        hub.begin();
        let mut late = hub.watch();
        hub.tell(everything());
        for watch in [&mut early, &mut late] {
            assert_eq!(watch.next().await, Some(News::Began));
            assert_eq!(watch.next().await, Some(everything()));
        }
    }

    #[tokio::test]
    async fn who_does_not_keep_up_hears_that_anything_may_have_changed() {
        let hub = Hub::new();
        let mut watch = hub.watch();
        hub.begin();
        for _ in 0..10 * BACKLOG {
            hub.tell(News::Changed(Vec::new()));
        }
        assert_eq!(watch.next().await, Some(News::Began), "the beginning itself was missed");
        for _ in 0..BACKLOG {
            assert_eq!(watch.next().await, Some(News::Changed(Vec::new())));
        }
        for _ in 0..10 * BACKLOG {
            hub.tell(News::Changed(Vec::new()));
        }
        assert_eq!(watch.next().await, Some(everything()));
    }

    #[tokio::test]
    async fn an_end_is_told_once_and_nothing_is_told_to_nobody() {
        let hub = Hub::new();
        assert!(hub.rest_unless_watched());
        let mut watch = hub.watch();
        assert!(!hub.rest_unless_watched());
        hub.begin();
        assert!(hub.end());
        assert!(!hub.end());
        assert_eq!(watch.next().await, Some(News::Began));
        assert_eq!(watch.next().await, Some(News::Ended));
        drop(watch);
        assert!(hub.rest_unless_watched());
    }
}
