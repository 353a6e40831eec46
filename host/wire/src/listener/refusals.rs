//! Which refusals an operator is warned of. A peer that is refused comes back several times a second.

use crate::connection::without_numbers;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the same refusal of the same host is no news.
const QUIET: Duration = Duration::from_secs(10);
/// Refusals that are remembered, and so the warnings that there can be in that time.
const REMEMBERED: usize = 1024;

/// The refusals of one listener.
#[derive(Default)]
pub(super) struct Refusals {
    warned: Mutex<Warned>,
}

impl Refusals {
    /// Logs that a peer was refused: a warning when that is news, else at debug.
    pub(super) fn report(&self, peer: SocketAddr, reason: &str) {
        let news = {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            warned.is_news(peer.ip(), reason, Instant::now())
        };
        if news {
            tracing::warn!(%peer, %reason, "a connection was refused");
        } else {
            tracing::debug!(%peer, %reason, "a connection was refused");
        }
    }
}

/// What was warned of lately: the host and a hash of the reason, which a peer may make long, and when.
#[derive(Default)]
struct Warned {
    when: HashMap<(IpAddr, u64), Instant>,
    hasher: RandomState,
}

impl Warned {
    /// Whether to warn; if so, that is remembered. A flood of different refusals is no news beyond what is remembered.
    fn is_news(&mut self, host: IpAddr, reason: &str, now: Instant) -> bool {
        let key = (host, self.hasher.hash_one(without_numbers(reason)));
        let is_fresh = |since: &Instant| now.saturating_duration_since(*since) < QUIET;
        if self.when.get(&key).is_some_and(is_fresh) {
            return false;
        }
        if self.when.len() >= REMEMBERED {
            self.when.retain(|_, since| is_fresh(since));
        }
        let room = self.when.len() < REMEMBERED;
        if room {
            self.when.insert(key, now);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_host_is_warned_of_once_per_reason_and_while() {
        let (mut warned, now) = (Warned::default(), Instant::now());
        assert!(warned.is_news(HOST, "expired at 17952", now));
        assert!(!warned.is_news(HOST, "expired at 17953", now + QUIET / 2));
        assert!(warned.is_news(HOST, "unknown issuer", now));
        assert!(warned.is_news("10.0.0.1".parse().unwrap(), "expired at 17952", now));
        assert!(warned.is_news(HOST, "expired at 17962", now + QUIET));
        assert!(!warned.is_news(HOST, "expired at 17963", now + QUIET));
    }

    #[test]
    fn a_flood_is_bounded_and_passes() {
        let (mut warned, now) = (Warned::default(), Instant::now());
        let hosts = (0..5000u32).map(|host| IpAddr::from(host.to_be_bytes()));
        assert_eq!(hosts.filter(|host| warned.is_news(*host, "x", now)).count(), REMEMBERED);
        assert_eq!(warned.when.len(), REMEMBERED);
        assert!(warned.is_news(HOST, "x", now + QUIET));
        assert_eq!(warned.when.len(), 1);
    }
}
