//! The machine against a control plane of a few lines: what must hold whatever happens.

use super::demand::History;
use super::plan::{Plan, plan};
use super::pool::Pool;
use crate::options::Limits;
use proptest::prelude::*;
use remuda_core::{MemoryMb, Moment, PoolRunner, RunnerAddress};

/// A control plane in virtual time.
struct Plugin {
    runners: Vec<PoolRunner>,
    coming: Vec<(u64, PoolRunner)>,
    made: u32,
    delay_s: u64,
    capacity: u64,
}

impl Plugin {
    fn listing(&mut self, now_s: u64) -> Vec<PoolRunner> {
        let (here, later): (Vec<_>, Vec<_>) = self.coming.drain(..).partition(|(when, _)| *when <= now_s);
        self.coming = later;
        self.runners.extend(here.into_iter().map(|(_, runner)| runner));
        self.runners.clone()
    }
    fn carry_out(&mut self, plan: &Plan, now_s: u64) {
        for _ in 0..plan.provision {
            self.made += 1;
            let address = RunnerAddress::parse(&format!("r{}:9190", self.made)).unwrap();
            let id = self.made.to_string();
            let runner = PoolRunner { id, address, capacity: MemoryMb(self.capacity), fixed: false };
            self.coming.push((now_s + self.delay_s, runner));
        }
        self.runners.retain(|runner| !plan.remove.contains(&runner.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn constant_demand_ends_in_a_plan_that_is_empty_and_stays_so(
        wanted in 0u64..60_000,
        capacity in prop_oneof![Just(4096u64), 512u64..20_000],
        delay_s in 0u64..100,
        begins_with in 0u32..20,
    ) {
        let limits = Limits::default();
        let mut plugin = Plugin { runners: vec![], coming: vec![], made: 0, delay_s, capacity };
        plugin.carry_out(&Plan { provision: begins_with, ..Plan::default() }, 0);
        let (mut pool, mut history) = (Pool::default(), History::new(Moment::from_ms(0)));
        // At most 118 runners, twenty at a time, a batch on its way for at most 100 s and none waiting for another: all
        // is there, settled, drained and removed well before the last tenth.
        let end_s = 900;
        for now_s in 0..end_s {
            let now = Moment::from_ms(now_s * 1000);
            history.record(now, MemoryMb(wanted), limits.settle);
            pool.listed(plugin.listing(now_s));
            pool.expire(now, &limits);
            let plan = plan(&history, &pool, now, &limits);
            prop_assert!(now_s < end_s * 9 / 10 || plan.is_empty(), "at {now_s} s: {plan:?}");
            pool.begin(&plan, now, &limits);
            if plan.provision > 0 {
                pool.provisioned(now, plan.provision, &limits);
            }
            plugin.carry_out(&plan, now_s);
        }
        prop_assert!(pool.active_capacity(&limits).0 >= wanted.min(u64::from(limits.max_runners) * capacity));
        prop_assert!(wanted > 0 || pool.members().is_empty(), "nobody wants anything: scaled to zero");
    }

    #[test]
    fn no_plan_touches_a_fixed_runner_asks_for_too_much_or_names_a_runner_twice(
        levels in proptest::collection::vec(0u64..100_000, 1..120),
        fixed in 0usize..4,
        begun in proptest::collection::vec(0u32..25, 120),
        hidden in proptest::collection::vec(proptest::bool::weighted(0.1), 120),
    ) {
        let limits = Limits { max_runners: 30, ..Limits::default() };
        let mut plugin = Plugin { runners: vec![], coming: vec![], made: 0, delay_s: 7, capacity: 4096 };
        for n in 0..fixed {
            let address = RunnerAddress::parse(&format!("f{n}:9190")).unwrap();
            let id = format!("f{n}");
            plugin.runners.push(PoolRunner { id, address, capacity: MemoryMb(1024), fixed: true });
        }
        let (mut pool, mut history) = (Pool::default(), History::new(Moment::from_ms(0)));
        for (tick, level) in levels.iter().enumerate() {
            let now_s = tick as u64 * 5;
            let now = Moment::from_ms(now_s * 1000);
            history.record(now, MemoryMb(*level), limits.settle);
            let mut listing = plugin.listing(now_s);
            if hidden[tick] {
                listing.truncate(listing.len() / 2);
            }
            pool.listed(listing);
            pool.expire(now, &limits);
            let mut plan = plan(&history, &pool, now, &limits);
            let named: Vec<&String> = plan.reactivate.iter().chain(&plan.drain).chain(&plan.remove).collect();
            prop_assert!(named.iter().all(|id| !id.starts_with('f')), "{plan:?}");
            let once: std::collections::HashSet<_> = named.iter().collect();
            prop_assert_eq!(once.len(), named.len());
            prop_assert!(plan.provision <= limits.largest_request);
            prop_assert!(plan.provision == 0 || plan.drain.is_empty());
            prop_assert!(pool.runners().len() as u32 + pool.coming() + plan.provision <= 30 || plan.provision == 0);
            pool.begin(&plan, now, &limits);
            if plan.provision > 0 {
                plan.provision = plan.provision.min(begun[tick]);
                pool.provisioned(now, begun[tick], &limits);
            }
            plugin.carry_out(&plan, now_s);
        }
    }
}
