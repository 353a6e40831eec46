//! Which API node is asked first: the one that answered last, and those that failed a moment ago last of all.

use super::ApiUrl;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a node that failed is asked only when no other one answers.
const SHUN: Duration = Duration::from_secs(5);

struct Node {
    url: ApiUrl,
    /// Until when it is shunned, in milliseconds since `start`.
    shunned_until: AtomicU64,
}

/// The API nodes, and what was seen of them.
pub(super) struct Nodes {
    nodes: Vec<Node>,
    preferred: AtomicUsize,
    start: Instant,
}

impl Nodes {
    pub(super) fn new(urls: Vec<ApiUrl>) -> Self {
        let nodes = urls.into_iter().map(|url| Node { url, shunned_until: AtomicU64::new(0) }).collect();
        Self { nodes, preferred: AtomicUsize::new(0), start: Instant::now() }
    }
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
    pub(super) fn url(&self, node: usize) -> &ApiUrl {
        &self.nodes[node].url
    }

    /// All of them, the one to ask first first.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let now = self.now();
        let preferred = self.preferred.load(Ordering::Relaxed);
        let mut order: Vec<_> = (0..self.len()).map(|n| (preferred + n) % self.len()).collect();
        order.sort_by_key(|node| self.nodes[*node].shunned_until.load(Ordering::Relaxed) > now);
        order
    }
    pub(super) fn answered(&self, node: usize) {
        self.preferred.store(node, Ordering::Relaxed);
        self.nodes[node].shunned_until.store(0, Ordering::Relaxed);
    }
    pub(super) fn failed(&self, node: usize) {
        let until = self.now().saturating_add(as_ms(SHUN));
        self.nodes[node].shunned_until.store(until, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        as_ms(self.start.elapsed())
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_node_that_answered_last_is_asked_first_and_those_that_failed_lately_last() {
        let nodes = Nodes::new(ApiUrl::parse_list("http://a,http://b,http://c").unwrap());
        assert_eq!(nodes.in_order(), [0, 1, 2]);
        nodes.failed(0);
        assert_eq!(nodes.in_order(), [1, 2, 0]);
        nodes.answered(1);
        assert_eq!(nodes.in_order(), [1, 2, 0]);
        nodes.failed(1);
        assert_eq!(nodes.in_order(), [2, 1, 0], "those that failed in turn too");
        tokio::time::advance(SHUN).await;
        assert_eq!(nodes.in_order(), [1, 2, 0], "forgotten after a while");
        nodes.failed(2);
        nodes.answered(2);
        assert_eq!(nodes.in_order(), [2, 0, 1]);
    }
}
