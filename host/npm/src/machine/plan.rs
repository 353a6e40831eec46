//! From demand and pool to what is to be done.

use super::demand::History;
use super::pool::{Pool, Runner, Standing, capacity_of};
use crate::options::Limits;
use remuda_core::{MemoryMb, Moment};

/// What is to be done, in full: carrying it out leaves nothing to choose. Ids are the control plane's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Runners to ask for.
    pub(crate) provision: u32,
    /// Draining runners that are members again.
    pub(crate) reactivate: Vec<String>,
    /// Members that leave the membership and are removed later.
    pub(crate) drain: Vec<String>,
    /// Runners to remove now.
    pub(crate) remove: Vec<String>,
}

impl Plan {
    /// True when there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares what is wanted with what is there.
///
/// More is wanted: draining runners come back, newest first, and the rest is asked for. Less is wanted, by a whole
/// runner or more and for a while: the newest members that are to spare drain. Whatever remains after a drain covers the
/// demand that made it, so constant demand leads to a plan that is empty and stays so.
pub(crate) fn plan(history: &History, pool: &Pool, now: Moment, limits: &Limits) -> Plan {
    let mut plan = Plan { remove: overdue(pool, now), ..Plan::default() };
    let wanted = history.current();
    let active = pool.active_capacity(limits);
    let expected = coming_capacity(pool, limits).0.saturating_add(active.0);
    if wanted.0 > expected {
        grow(&mut plan, pool, now, wanted.0 - expected, limits);
    } else if let Some(highest) = history.highest(now, limits.settle) {
        let idle = history.idle_for(now) >= limits.idle;
        plan.drain = to_spare(pool, active, highest.max(wanted), idle, limits);
    }
    plan
}

fn coming_capacity(pool: &Pool, limits: &Limits) -> MemoryMb {
    MemoryMb(pool.typical_capacity(limits).0.saturating_mul(u64::from(pool.coming())))
}

/// Runners whose drain is over, and runners that are still listed some time after their removal.
fn overdue(pool: &Pool, now: Moment) -> Vec<String> {
    let is_due = |runner: &&Runner| match runner.standing {
        Standing::Active => false,
        Standing::Draining { until } => now >= until,
        Standing::Removing { again } => now >= again,
    };
    pool.runners().iter().filter(is_due).map(|runner| runner.listed.id.clone()).collect()
}

fn grow(plan: &mut Plan, pool: &Pool, now: Moment, mut short: u64, limits: &Limits) {
    for runner in pool.runners().iter().rev() {
        if short == 0 {
            return;
        }
        if let Standing::Draining { .. } = runner.standing {
            plan.reactivate.push(runner.listed.id.clone());
            plan.remove.retain(|id| *id != runner.listed.id);
            short = short.saturating_sub(capacity_of(runner, limits).0);
        }
    }
    if short == 0 || !pool.may_request(now) {
        return;
    }
    let needed = short.div_ceil(pool.typical_capacity(limits).0);
    let here = u64::try_from(pool.runners().len()).unwrap_or(u64::MAX).saturating_add(pool.coming().into());
    let room = u64::from(limits.max_runners).saturating_sub(here);
    let count = needed.min(room).min(u64::from(limits.largest_request));
    plan.provision = u32::try_from(count).unwrap_or(limits.largest_request);
}

/// The newest members without which the rest still covers `wanted`. The last capacity stays until the group is idle.
fn to_spare(pool: &Pool, active: MemoryMb, wanted: MemoryMb, idle: bool, limits: &Limits) -> Vec<String> {
    let mut remaining = active.0;
    let mut spare = Vec::new();
    for runner in pool.runners().iter().rev() {
        if runner.listed.fixed || runner.standing != Standing::Active {
            continue;
        }
        let without = remaining.saturating_sub(capacity_of(runner, limits).0);
        if without >= wanted.0 && (without > 0 || idle) {
            spare.push(runner.listed.id.clone());
            remaining = without;
        }
    }
    spare
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::{PoolRunner, RunnerAddress};

    const SIZE: u64 = 4096;

    fn at(s: u64) -> Moment {
        Moment::from_ms(s * 1000)
    }
    fn runner(id: &str, fixed: bool) -> PoolRunner {
        let address = RunnerAddress::parse(&format!("{id}:9190")).unwrap();
        PoolRunner { id: id.into(), address, capacity: MemoryMb(SIZE), fixed }
    }
    fn pool_of(ids: &[&str]) -> Pool {
        let mut pool = Pool::default();
        pool.listed(ids.iter().map(|id| runner(id, false)).collect());
        pool
    }
    fn wanting(levels: &[(u64, u64)]) -> History {
        let mut history = History::new(at(0));
        for (when, level) in levels {
            history.record(at(*when), MemoryMb(*level), Limits::default().settle);
        }
        history
    }
    fn planned(levels: &[(u64, u64)], pool: &Pool, now: u64) -> Plan {
        plan(&wanting(levels), pool, at(now), &Limits::default())
    }

    #[test]
    fn as_many_runners_are_asked_for_as_are_missing_and_twenty_at_most() {
        for (wanted, count) in
            [(1, 1), (SIZE, 1), (SIZE + 1, 2), (20 * SIZE, 20), (1000 * SIZE, 20), (u64::MAX, 20)]
        {
            assert_eq!(planned(&[(0, wanted)], &Pool::default(), 0).provision, count, "{wanted}");
        }
    }

    #[test]
    fn what_is_coming_is_not_asked_for_again() {
        let mut pool = Pool::default();
        let first = planned(&[(0, 3 * SIZE)], &pool, 0);
        pool.begin(&first, at(0), &Limits::default());
        assert!(planned(&[(0, 3 * SIZE)], &pool, 1).is_empty());
        pool.provisioned(at(1), 2, &Limits::default());
        assert_eq!(planned(&[(0, 3 * SIZE)], &pool, 1).provision, 1, "less was begun than asked for");
    }

    #[test]
    fn a_group_never_has_more_than_its_most_runners() {
        let limits = Limits { max_runners: 3, ..Limits::default() };
        let wants = wanting(&[(0, 100 * SIZE)]);
        assert_eq!(plan(&wants, &pool_of(&["a", "b"]), at(0), &limits).provision, 1);
        assert_eq!(plan(&wants, &pool_of(&["a", "b", "c", "d"]), at(0), &limits).provision, 0);
    }

    #[test]
    fn a_member_drains_once_a_whole_runner_was_to_spare_for_a_while_the_newest_first() {
        let pool = pool_of(&["a", "b", "c"]);
        let high_then_low = [(0, 3 * SIZE), (10, SIZE)];
        assert!(planned(&high_then_low, &pool, 39).is_empty(), "the high demand is too young");
        assert_eq!(planned(&high_then_low, &pool, 40).drain, ["c", "b"]);
        assert!(planned(&[(0, 2 * SIZE + 1)], &pool, 100).is_empty(), "less than a runner to spare");
    }

    #[test]
    fn a_restarted_manager_drains_nothing_before_it_has_heard_the_load_balancers() {
        assert!(planned(&[], &pool_of(&["a", "b"]), 29).is_empty());
    }

    #[test]
    fn the_last_capacity_goes_only_when_the_group_is_idle() {
        let pool = pool_of(&["a", "b"]);
        let wants = [(0, SIZE), (100, 0)];
        assert_eq!(planned(&wants, &pool, 140).drain, ["b"]);
        assert_eq!(planned(&wants, &pool, 159).drain, ["b"]);
        assert_eq!(planned(&wants, &pool, 160).drain, ["b", "a"]);
    }

    #[test]
    fn fixed_runners_count_and_are_never_drained() {
        let mut pool = Pool::default();
        pool.listed(vec![runner("f", true), runner("a", false)]);
        assert!(planned(&[(0, 2 * SIZE)], &pool, 100).is_empty());
        assert_eq!(planned(&[], &pool, 100).drain, ["a"]);
    }

    #[test]
    fn draining_runners_come_back_newest_first_before_others_are_asked_for() {
        let limits = Limits::default();
        let mut pool = pool_of(&["a", "b", "c"]);
        pool.begin(&Plan { drain: vec!["c".into(), "b".into()], ..Plan::default() }, at(0), &limits);
        let one = planned(&[(0, SIZE + 1)], &pool, 10);
        assert_eq!((one.reactivate, one.provision), (vec!["c".to_owned()], 0));
        let more = planned(&[(0, 4 * SIZE)], &pool, 10);
        assert_eq!((more.reactivate, more.provision), (vec!["c".to_owned(), "b".to_owned()], 1));
        let late = planned(&[(0, 3 * SIZE)], &pool, 330);
        assert_eq!((late.reactivate.len(), late.remove.len()), (2, 0), "wanted again at the last moment");
    }

    #[test]
    fn a_drained_runner_is_removed_after_its_time_and_again_while_it_is_still_listed() {
        let limits = Limits::default();
        let mut pool = pool_of(&["a", "b"]);
        pool.begin(&Plan { drain: vec!["b".into()], ..Plan::default() }, at(0), &limits);
        assert!(planned(&[(0, SIZE)], &pool, 329).is_empty());
        let due = planned(&[(0, SIZE)], &pool, 330);
        assert_eq!(due.remove, ["b"]);
        pool.begin(&due, at(330), &limits);
        assert!(planned(&[(0, SIZE)], &pool, 339).is_empty());
        assert_eq!(planned(&[(0, SIZE)], &pool, 340).remove, ["b"]);
        let wanted = planned(&[(0, 2 * SIZE)], &pool, 335);
        assert_eq!(
            (wanted.reactivate.len(), wanted.provision),
            (0, 1),
            "what is being removed does not come back"
        );
    }
}
