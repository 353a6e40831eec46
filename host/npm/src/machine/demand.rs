//! What load balancers want of one group: merged, held for a while, and remembered at its highest.

use remuda_core::{LbId, MemoryMb, Moment};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The wants of one group.
#[derive(Debug)]
pub(crate) struct Demand {
    hold: Duration,
    max_lbs: usize,
    by_lb: BTreeMap<LbId, (Moment, MemoryMb)>,
}

impl Demand {
    /// Nobody wants anything. A load balancer's word is held for `hold`; at most `max_lbs` are remembered.
    pub(crate) fn new(hold: Duration, max_lbs: usize) -> Self {
        Self { hold, max_lbs: max_lbs.max(1), by_lb: BTreeMap::new() }
    }

    /// Takes one load balancer's word in place of its last; true when the sum grew.
    pub(crate) fn set(&mut self, now: Moment, lb: &LbId, memory: MemoryMb) -> bool {
        self.expire(now);
        let before = if memory == MemoryMb(0) {
            self.by_lb.remove(lb)
        } else {
            if self.by_lb.len() >= self.max_lbs && !self.by_lb.contains_key(lb) {
                self.forget_oldest();
            }
            self.by_lb.insert(lb.clone(), (now, memory))
        };
        before.map_or(MemoryMb(0), |(_, memory)| memory) < memory
    }

    /// The sum of what is wanted.
    pub(crate) fn total(&mut self, now: Moment) -> MemoryMb {
        self.expire(now);
        MemoryMb(self.by_lb.values().fold(0, |sum, (_, memory)| sum.saturating_add(memory.0)))
    }

    fn expire(&mut self, now: Moment) {
        let hold = self.hold;
        self.by_lb.retain(|_, (heard, _)| now.since(*heard) < hold);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.by_lb.iter().min_by_key(|(_, (heard, _))| *heard).map(|(lb, _)| lb.clone());
        if let Some(lb) = oldest {
            self.by_lb.remove(&lb);
        }
    }
}

/// Demand over time: the highest of a window, and since when there is none.
#[derive(Debug)]
pub(crate) struct History {
    begun: Moment,
    current: MemoryMb,
    /// Since when `current` holds.
    since: Moment,
    /// Higher levels of before, each with the moment of its end; falling, as a level under a later one does not matter.
    past: VecDeque<(Moment, MemoryMb)>,
}

impl History {
    /// Nothing is known before `now`.
    pub(crate) fn new(now: Moment) -> Self {
        Self { begun: now, current: MemoryMb(0), since: now, past: VecDeque::new() }
    }

    /// The demand is `total` from `now` on. Levels that ended more than `window` ago are dropped.
    pub(crate) fn record(&mut self, now: Moment, total: MemoryMb, window: Duration) {
        while self.past.front().is_some_and(|(ended, _)| now.since(*ended) >= window) {
            self.past.pop_front();
        }
        if total == self.current {
            return;
        }
        let ended = std::mem::replace(&mut self.current, total);
        self.since = now;
        while self.past.back().is_some_and(|(_, level)| *level <= ended.max(total)) {
            self.past.pop_back();
        }
        if ended > total {
            self.past.push_back((now, ended));
        }
    }

    /// The demand now.
    pub(crate) fn current(&self) -> MemoryMb {
        self.current
    }
    /// The highest demand of the last `window`; `None` while less than that is known.
    pub(crate) fn highest(&self, now: Moment, window: Duration) -> Option<MemoryMb> {
        if now.since(self.begun) < window {
            return None;
        }
        let past = self.past.iter().find(|(ended, _)| now.since(*ended) < window);
        Some(past.map_or(self.current, |(_, level)| self.current.max(*level)))
    }
    /// For how long nothing is wanted.
    pub(crate) fn idle_for(&self, now: Moment) -> Duration {
        if self.current == MemoryMb(0) { now.since(self.since) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(s: u64) -> Moment {
        Moment::from_ms(s * 1000)
    }
    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn the_wants_of_load_balancers_add_up_and_a_word_replaces_the_last() {
        let mut demand = Demand::new(seconds(10), 10);
        let (one, two) = (LbId::new("one"), LbId::new("two"));
        assert!(demand.set(at(0), &one, MemoryMb(100)));
        assert!(demand.set(at(0), &two, MemoryMb(50)));
        assert_eq!(demand.total(at(1)), MemoryMb(150));
        assert!(!demand.set(at(1), &one, MemoryMb(40)), "less is no growth");
        assert_eq!(demand.total(at(1)), MemoryMb(90));
        demand.set(at(2), &two, MemoryMb(0));
        assert_eq!(demand.total(at(2)), MemoryMb(40));
    }

    #[test]
    fn a_silent_load_balancers_demand_is_held_for_a_while_and_then_dropped() {
        let mut demand = Demand::new(seconds(10), 10);
        demand.set(at(0), &LbId::new("one"), MemoryMb(100));
        assert_eq!(demand.total(at(9)), MemoryMb(100));
        assert_eq!(demand.total(at(10)), MemoryMb(0));
    }

    #[test]
    fn demand_that_adds_up_to_too_much_is_the_most_there_is() {
        let mut demand = Demand::new(seconds(10), 10);
        demand.set(at(0), &LbId::new("one"), MemoryMb(u64::MAX));
        demand.set(at(0), &LbId::new("two"), MemoryMb(1));
        assert_eq!(demand.total(at(0)), MemoryMb(u64::MAX));
    }

    #[test]
    fn past_the_bound_the_load_balancer_heard_of_least_lately_goes() {
        let mut demand = Demand::new(seconds(10), 2);
        demand.set(at(0), &LbId::new("one"), MemoryMb(1));
        demand.set(at(1), &LbId::new("two"), MemoryMb(2));
        demand.set(at(2), &LbId::new("three"), MemoryMb(4));
        assert_eq!(demand.total(at(2)), MemoryMb(6));
    }

    #[test]
    fn idleness_counts_from_the_last_demand() {
        let mut history = History::new(at(0));
        history.record(at(5), MemoryMb(1), seconds(30));
        assert_eq!(history.idle_for(at(9)), Duration::ZERO);
        history.record(at(10), MemoryMb(0), seconds(30));
        history.record(at(12), MemoryMb(0), seconds(30));
        assert_eq!(history.idle_for(at(70)), seconds(60));
    }

    #[test]
    fn nothing_is_known_of_a_window_that_began_before_the_history() {
        let history = History::new(at(10));
        assert_eq!(history.highest(at(39), seconds(30)), None);
        assert_eq!(history.highest(at(40), seconds(30)), Some(MemoryMb(0)));
    }

    proptest! {
        #[test]
        fn the_highest_of_a_window_is_that_of_all_its_levels(
            levels in proptest::collection::vec((1usize..20, 0u64..10), 1..60),
        ) {
            let mut history = History::new(at(0));
            // The level in force in each second so far.
            let (mut by_second, mut level) = (Vec::new(), 0);
            for (wait, next) in levels {
                by_second.resize(by_second.len() + wait, level);
                level = next;
                let now = by_second.len();
                history.record(at(now as u64), MemoryMb(level), seconds(30));
                if now >= 30 {
                    let highest = by_second[now - 30..].iter().copied().max().unwrap().max(level);
                    prop_assert_eq!(history.highest(at(now as u64), seconds(30)), Some(MemoryMb(highest)));
                }
            }
        }
    }
}
