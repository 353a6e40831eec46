//! One group's runners: what the control plane listed, what was asked for, and what is on its way out.

use super::plan::Plan;
use crate::options::Limits;
use remuda_core::{MemoryMb, Moment, PoolRunner, RunnerAddress};
use std::collections::{HashMap, HashSet};

/// What a runner is to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A member.
    Active,
    /// No member any more; to be removed at the moment, unless it is wanted again before.
    Draining {
        /// When it is to be removed.
        until: Moment,
    },
    /// Its removal was asked for.
    Removing {
        /// When to ask again, should it still be listed.
        again: Moment,
    },
}

/// A listed runner.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub(crate) listed: PoolRunner,
    pub(crate) standing: Standing,
}

/// Runners that were asked for.
#[derive(Clone, Debug)]
struct Request {
    count: u32,
    appeared: u32,
    expires: Moment,
    /// False until the control plane said how many it began.
    answered: bool,
}

impl Request {
    fn left(&self) -> u32 {
        self.count.saturating_sub(self.appeared)
    }
}

/// Came and went with a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) came: usize,
    pub(crate) went: usize,
}

/// One group's runners, in order of first appearance.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    runners: Vec<Runner>,
    requests: Vec<Request>,
    /// The capacity of the newest runner that could be removed; what the next one is expected to have.
    typical: Option<MemoryMb>,
    failures: u32,
    not_before: Moment,
}

impl Pool {
    /// All listed runners.
    pub(crate) fn runners(&self) -> &[Runner] {
        &self.runners
    }
    /// The members' addresses, in order of first appearance, each once.
    pub(crate) fn members(&self) -> Vec<RunnerAddress> {
        let active = self.runners.iter().filter(|runner| runner.standing == Standing::Active);
        let mut seen = HashSet::new();
        active.map(|runner| &runner.listed.address).filter(|address| seen.insert(*address)).cloned().collect()
    }
    /// What members offer together.
    pub(crate) fn active_capacity(&self, limits: &Limits) -> MemoryMb {
        let active = self.runners.iter().filter(|runner| runner.standing == Standing::Active);
        MemoryMb(active.fold(0, |sum, runner| sum.saturating_add(capacity_of(runner, limits).0)))
    }
    /// What a runner that is asked for is expected to have.
    pub(crate) fn typical_capacity(&self, limits: &Limits) -> MemoryMb {
        MemoryMb(self.typical.unwrap_or(limits.default_capacity).0.max(1))
    }
    /// Runners that were asked for and are believed to be coming.
    pub(crate) fn coming(&self) -> u32 {
        self.requests.iter().fold(0, |sum, request| sum.saturating_add(request.left()))
    }
    /// True when more runners may be asked for.
    pub(crate) fn may_request(&self, now: Moment) -> bool {
        now >= self.not_before && self.requests.iter().all(|request| request.answered)
    }
    /// Requests in a row that came to nothing.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
    /// True when there is nothing here that somebody would have to remove.
    pub(crate) fn can_be_forgotten(&self) -> bool {
        self.requests.is_empty() && self.runners.iter().all(|runner| runner.listed.fixed)
    }

    /// Takes what the control plane lists in place of what was known. Unknown runners are members at once, and those
    /// that are not listed are gone, whatever they were.
    pub(crate) fn listed(&mut self, listing: Vec<PoolRunner>) -> Change {
        let mut by_id: HashMap<String, PoolRunner> = HashMap::with_capacity(listing.len());
        let mut order = Vec::with_capacity(listing.len());
        for runner in listing {
            if !by_id.contains_key(&runner.id) {
                order.push(runner.id.clone());
                by_id.insert(runner.id.clone(), runner);
            }
        }
        let before = self.runners.len();
        self.runners.retain_mut(|known| match by_id.remove(&known.listed.id) {
            Some(runner) => {
                known.listed = runner;
                true
            }
            None => false,
        });
        let went = before - self.runners.len();
        for id in order {
            if let Some(runner) = by_id.remove(&id) {
                self.appeared(&runner);
                self.runners.push(Runner { listed: runner, standing: Standing::Active });
            }
        }
        Change { came: self.runners.len() + went - before, went }
    }

    /// A new runner is taken for one that was asked for, of the oldest request that still lacks one.
    fn appeared(&mut self, runner: &PoolRunner) {
        if runner.fixed {
            return;
        }
        if runner.capacity > MemoryMb(0) {
            self.typical = Some(runner.capacity);
        }
        if let Some(request) = self.requests.iter_mut().find(|request| request.left() > 0) {
            request.appeared += 1;
            self.failures = 0;
        }
        self.requests.retain(|request| request.left() > 0 || !request.answered);
    }

    /// Marks what a plan is about to do; carrying it out and reporting back is the driver's.
    pub(crate) fn begin(&mut self, plan: &Plan, now: Moment, limits: &Limits) {
        self.stand(&plan.reactivate, Standing::Active);
        self.stand(&plan.drain, Standing::Draining { until: now.after(limits.drain) });
        self.stand(&plan.remove, Standing::Removing { again: now.after(limits.remove_retry) });
        if plan.provision > 0 {
            let expires = now.after(limits.provision_expires);
            self.requests.push(Request { count: plan.provision, appeared: 0, expires, answered: false });
        }
    }

    fn stand(&mut self, ids: &[String], standing: Standing) {
        for id in ids {
            if let Some(runner) = self.runners.iter_mut().find(|runner| runner.listed.id == *id) {
                runner.standing = standing;
            }
        }
    }

    /// Takes the control plane's answer to the last request: how many it began, zero when it refused.
    pub(crate) fn provisioned(&mut self, now: Moment, begun: u32, limits: &Limits) {
        let Some(request) = self.requests.iter_mut().find(|request| !request.answered) else { return };
        request.answered = true;
        request.count = begun.min(request.count);
        request.expires = now.after(limits.provision_expires);
        let nothing = request.count == 0 && request.appeared == 0;
        self.requests.retain(|request| request.left() > 0);
        if nothing {
            self.failed(now, limits);
        }
    }

    /// Forgets runners that did not come in time; says how many those were.
    pub(crate) fn expire(&mut self, now: Moment, limits: &Limits) -> u32 {
        let overdue = |request: &Request| request.answered && now >= request.expires;
        let lost = self.requests.iter().filter(|request| overdue(request)).map(Request::left).sum();
        self.requests.retain(|request| !overdue(request));
        if lost > 0 {
            self.failed(now, limits);
        }
        lost
    }

    fn failed(&mut self, now: Moment, limits: &Limits) {
        let pause = limits.backoff.saturating_mul(1 << self.failures.min(16)).min(limits.longest_backoff);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.after(pause);
    }
}

/// What a runner offers; one that says that it offers nothing is believed to offer what is usual.
pub(crate) fn capacity_of(runner: &Runner, limits: &Limits) -> MemoryMb {
    if runner.listed.capacity == MemoryMb(0) { limits.default_capacity } else { runner.listed.capacity }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(id: &str, address: &str) -> PoolRunner {
        let address = RunnerAddress::parse(address).unwrap();
        PoolRunner { id: id.into(), address, capacity: MemoryMb(4096), fixed: false }
    }
    fn at(s: u64) -> Moment {
        Moment::from_ms(s * 1000)
    }
    fn asking(pool: &mut Pool, count: u32, now: Moment) {
        pool.begin(&Plan { provision: count, ..Plan::default() }, now, &Limits::default());
    }

    #[test]
    fn members_are_in_order_of_first_appearance_and_named_once() {
        let mut pool = Pool::default();
        pool.listed(vec![runner("b", "b:1"), runner("a", "a:1")]);
        let change =
            pool.listed(vec![runner("c", "a:1"), runner("a", "a:1"), runner("d", "d:1"), runner("b", "b:1")]);
        assert_eq!(change, Change { came: 2, went: 0 });
        let members: Vec<String> = pool.members().iter().map(ToString::to_string).collect();
        assert_eq!(members, ["b:1", "a:1", "d:1"]);
    }

    #[test]
    fn a_runner_listed_twice_is_one_runner() {
        let mut pool = Pool::default();
        assert_eq!(pool.listed(vec![runner("a", "a:1"), runner("a", "a:1")]), Change { came: 1, went: 0 });
        assert_eq!(pool.active_capacity(&Limits::default()), MemoryMb(4096));
    }

    #[test]
    fn a_runner_that_vanishes_counts_no_more() {
        let mut pool = Pool::default();
        pool.listed(vec![runner("a", "a:1"), runner("b", "b:1")]);
        assert_eq!(pool.listed(vec![runner("b", "b:1")]), Change { came: 0, went: 1 });
        assert_eq!(pool.active_capacity(&Limits::default()), MemoryMb(4096));
    }

    #[test]
    fn a_draining_runner_leaves_the_membership_at_once() {
        let mut pool = Pool::default();
        pool.listed(vec![runner("a", "a:1"), runner("b", "b:1")]);
        pool.begin(&Plan { drain: vec!["a".into()], ..Plan::default() }, at(0), &Limits::default());
        assert_eq!(pool.members(), vec![RunnerAddress::parse("b:1").unwrap()]);
        pool.listed(vec![runner("a", "a:1"), runner("b", "b:1")]);
        assert_eq!(pool.members().len(), 1, "it goes on draining when listed again");
    }

    #[test]
    fn runners_that_appear_are_those_that_were_asked_for_even_before_the_answer() {
        let mut pool = Pool::default();
        asking(&mut pool, 3, at(0));
        assert!(!pool.may_request(at(0)), "one request at a time");
        pool.listed(vec![runner("a", "a:1")]);
        assert_eq!(pool.coming(), 2);
        pool.provisioned(at(1), 2, &Limits::default());
        assert_eq!(pool.coming(), 1);
        pool.listed(vec![runner("a", "a:1"), runner("b", "b:1")]);
        assert_eq!(pool.coming(), 0);
        assert!(pool.may_request(at(1)));
    }

    #[test]
    fn runners_that_never_come_are_not_believed_for_ever() {
        let mut pool = Pool::default();
        asking(&mut pool, 2, at(0));
        pool.provisioned(at(1), 2, &Limits::default());
        assert_eq!((pool.expire(at(120), &Limits::default()), pool.coming()), (0, 2));
        assert_eq!((pool.expire(at(121), &Limits::default()), pool.coming()), (2, 0));
        assert!(!pool.may_request(at(121)));
        assert!(pool.may_request(at(122)));
    }

    #[test]
    fn refused_requests_are_repeated_ever_more_rarely() {
        let (limits, mut pool, mut now, mut pauses) = (Limits::default(), Pool::default(), at(0), Vec::new());
        for _ in 0..9 {
            asking(&mut pool, 1, now);
            pool.provisioned(now, 0, &limits);
            let from = now;
            while !pool.may_request(now) {
                now = now.after(std::time::Duration::from_secs(1));
            }
            pauses.push(now.since(from).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        asking(&mut pool, 1, now);
        pool.provisioned(now, 1, &limits);
        pool.listed(vec![runner("a", "a:1")]);
        assert_eq!(pool.failures(), 0, "a runner that came ends the series");
    }

    #[test]
    fn an_answer_of_more_than_was_asked_for_counts_as_what_was_asked_for() {
        let mut pool = Pool::default();
        asking(&mut pool, 1, at(0));
        pool.provisioned(at(0), 1000, &Limits::default());
        assert_eq!(pool.coming(), 1);
    }
}
