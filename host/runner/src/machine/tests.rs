use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn key(n: u8) -> SlotKey {
    SlotKey([n; 32])
}

fn at(ms: u64) -> Moment {
    Moment::from_ms(ms)
}

fn machine(total: u64, refuse_when_full: bool) -> Machine {
    Machine::new(Rules { total: MemoryMb(total), refuse_when_full, max_waiting: 100 })
}

fn arrive(machine: &mut Machine, call: u64, key_no: u8, memory: u64) -> Vec<Action> {
    run(
        machine,
        0,
        Event::Arrived {
            call: CallNo(call),
            key: key(key_no),
            memory: MemoryMb(memory),
            idle_timeout: Duration::from_secs(30),
        },
    )
}

fn run(machine: &mut Machine, now: u64, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    machine.handle(at(now), event, &mut actions);
    actions
}

fn start(no: u64, key_no: u8) -> Action {
    Action::Start { instance: InstanceNo(no), key: key(key_no) }
}

fn assign(call: u64, no: u64) -> Action {
    Action::Assign { call: CallNo(call), instance: InstanceNo(no) }
}

fn finished(no: u64, reusable: bool) -> Event {
    Event::Finished { instance: InstanceNo(no), reusable }
}

#[test]
fn the_first_call_starts_an_instance_and_the_next_finds_it_hot() {
    let mut m = machine(1000, true);
    assert_eq!(arrive(&mut m, 1, 1, 100), [start(0, 1)]);
    assert_eq!(run(&mut m, 5, Event::Started(InstanceNo(0))), [assign(1, 0)]);
    assert_eq!(run(&mut m, 6, finished(0, true)), []);
    assert_eq!(arrive(&mut m, 2, 1, 100), [assign(2, 0)]);
}

#[test]
fn a_waiting_call_takes_what_is_free_first() {
    let mut m = machine(1000, true);
    arrive(&mut m, 1, 1, 100);
    run(&mut m, 1, Event::Started(InstanceNo(0)));
    assert_eq!(arrive(&mut m, 2, 1, 100), [start(1, 1)]);
    // The busy instance ends before the new one listens: the call goes there.
    assert_eq!(run(&mut m, 2, finished(0, true)), [assign(2, 0)]);
    assert_eq!(run(&mut m, 3, Event::Started(InstanceNo(1))), []);
    assert_eq!(arrive(&mut m, 3, 1, 100), [assign(3, 1)]);
}

#[test]
fn a_full_runner_refuses_or_waits_as_told() {
    let mut refusing = machine(100, true);
    arrive(&mut refusing, 1, 1, 100);
    run(&mut refusing, 1, Event::Started(InstanceNo(0)));
    assert_eq!(arrive(&mut refusing, 2, 1, 100), [Action::Refuse(CallNo(2))]);

    let mut waiting = machine(100, false);
    arrive(&mut waiting, 1, 1, 100);
    run(&mut waiting, 1, Event::Started(InstanceNo(0)));
    assert_eq!(arrive(&mut waiting, 2, 2, 100), []);
    // The other function's instance becomes idle: it makes room.
    assert_eq!(run(&mut waiting, 2, finished(0, true)), [Action::Remove(InstanceNo(0))]);
    assert_eq!(run(&mut waiting, 3, Event::Removed(InstanceNo(0))), [start(1, 2)]);
}

#[test]
fn idle_instances_of_others_make_room_the_longest_idle_first_and_only_if_that_is_enough() {
    let mut m = machine(300, true);
    for call in 0..2 {
        arrive(&mut m, call, call as u8 + 1, 100);
        run(&mut m, 1, Event::Started(InstanceNo(call)));
    }
    run(&mut m, 10, finished(1, true));
    run(&mut m, 20, finished(0, true));
    assert_eq!(arrive(&mut m, 5, 5, 200), [Action::Remove(InstanceNo(1))]);
    assert_eq!(run(&mut m, 30, Event::Removed(InstanceNo(1))), [start(2, 5)]);
    run(&mut m, 31, Event::Started(InstanceNo(2)));
    // 200 busy, 100 idle: a call of 200 cannot be made room for, and nobody is evicted for nothing.
    assert_eq!(arrive(&mut m, 6, 6, 200), [Action::Refuse(CallNo(6))]);
    assert_eq!(m.reserved(), MemoryMb(300));
}

#[test]
fn a_call_larger_than_the_runner_is_refused() {
    assert_eq!(arrive(&mut machine(100, false), 1, 1, 101), [Action::Refuse(CallNo(1))]);
}

#[test]
fn a_failed_start_fails_the_oldest_call_and_the_others_keep_their_own() {
    let mut m = machine(1000, true);
    arrive(&mut m, 1, 1, 100);
    arrive(&mut m, 2, 1, 100);
    let failed = Action::Fail { call: CallNo(1), instance: InstanceNo(1) };
    assert_eq!(run(&mut m, 1, Event::StartFailed(InstanceNo(1))), [failed]);
    assert_eq!(run(&mut m, 2, Event::Started(InstanceNo(0))), [assign(2, 0)]);
    assert_eq!(m.reserved(), MemoryMb(100));
}

#[test]
fn an_idle_instance_goes_when_its_time_is_over() {
    let mut m = machine(1000, true);
    arrive(&mut m, 1, 1, 100);
    run(&mut m, 0, Event::Started(InstanceNo(0)));
    run(&mut m, 1000, finished(0, true));
    assert_eq!(m.next_wake(), Some(at(31_000)));
    assert_eq!(run(&mut m, 30_999, Event::Ticked), []);
    assert_eq!(run(&mut m, 31_000, Event::Ticked), [Action::Remove(InstanceNo(0))]);
    assert_eq!(run(&mut m, 31_001, Event::Removed(InstanceNo(0))), []);
    assert_eq!((m.reserved(), m.next_wake()), (MemoryMb(0), None));
}

#[test]
fn a_drain_refuses_what_waits_and_removes_what_becomes_idle() {
    let mut m = machine(1000, false);
    arrive(&mut m, 1, 1, 100);
    run(&mut m, 0, Event::Started(InstanceNo(0)));
    arrive(&mut m, 2, 1, 100);
    assert_eq!(run(&mut m, 1, Event::DrainBegan), [Action::Refuse(CallNo(2))]);
    assert_eq!(run(&mut m, 2, Event::Started(InstanceNo(1))), [Action::Remove(InstanceNo(1))]);
    assert_eq!(run(&mut m, 3, finished(0, true)), [Action::Remove(InstanceNo(0))]);
    assert_eq!(arrive(&mut m, 3, 1, 100), [Action::Refuse(CallNo(3))]);
}

#[test]
fn an_instance_that_died_idle_is_never_assigned() {
    let mut m = machine(1000, true);
    arrive(&mut m, 1, 1, 100);
    run(&mut m, 0, Event::Started(InstanceNo(0)));
    run(&mut m, 1, finished(0, true));
    assert_eq!(run(&mut m, 2, Event::Exited(InstanceNo(0))), [Action::Remove(InstanceNo(0))]);
    assert_eq!(arrive(&mut m, 2, 1, 100), [start(1, 1)]);
}

#[test]
fn room_that_an_abandoned_call_had_planned_goes_to_the_next() {
    let mut m = machine(256, false);
    arrive(&mut m, 1, 1, 256);
    run(&mut m, 0, Event::Started(InstanceNo(0)));
    run(&mut m, 1, finished(0, true));
    assert_eq!(arrive(&mut m, 2, 2, 256), [Action::Remove(InstanceNo(0))]);
    assert_eq!(arrive(&mut m, 3, 3, 256), []);
    assert_eq!(run(&mut m, 2, Event::Abandoned(CallNo(2))), []);
    assert_eq!(run(&mut m, 3, Event::Removed(InstanceNo(0))), [start(2, 3)]);
}

/// The world around the machine: what it was asked to do and has not reported yet.
#[derive(Default)]
struct World {
    starting: BTreeSet<InstanceNo>,
    busy: BTreeMap<InstanceNo, CallNo>,
    removing: BTreeSet<InstanceNo>,
    open: BTreeSet<CallNo>,
    assigned: BTreeMap<u8, Vec<CallNo>>,
    key_of: BTreeMap<CallNo, u8>,
}

impl World {
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start { instance, .. } => assert!(self.starting.insert(instance)),
                Action::Assign { call, instance } => {
                    assert!(self.open.remove(&call), "{call:?} answered twice");
                    assert!(self.busy.insert(instance, call).is_none(), "two calls on {instance:?}");
                    self.assigned.entry(self.key_of[&call]).or_default().push(call);
                }
                Action::Refuse(call) | Action::Fail { call, .. } => {
                    assert!(self.open.remove(&call), "{call:?} answered twice");
                }
                Action::Remove(instance) => {
                    self.busy.remove(&instance);
                    assert!(self.removing.insert(instance), "{instance:?} removed twice");
                }
            }
        }
    }

    fn event(&mut self, step: (u8, u8, u8), next_call: &mut u64) -> Option<Event> {
        let (kind, pick, key_no) = step;
        let nth = |set: Vec<InstanceNo>| set.get(pick as usize % set.len().max(1)).copied();
        Some(match kind % 8 {
            0..=2 => {
                let call = CallNo(*next_call);
                *next_call += 1;
                self.open.insert(call);
                self.key_of.insert(call, key_no % 4);
                let memory = MemoryMb([64, 128, 256, 300][key_no as usize % 4]);
                let idle_timeout = Duration::from_millis(50);
                Event::Arrived { call, key: key(key_no % 4), memory, idle_timeout }
            }
            3 => {
                let no = nth(self.starting.iter().copied().collect())?;
                self.starting.remove(&no);
                if pick % 3 == 0 { Event::StartFailed(no) } else { Event::Started(no) }
            }
            4 | 5 => {
                let instance = nth(self.busy.keys().copied().collect())?;
                self.busy.remove(&instance);
                Event::Finished { instance, reusable: pick % 4 != 0 }
            }
            6 => {
                let no = nth(self.removing.iter().copied().collect())?;
                self.removing.remove(&no);
                Event::Removed(no)
            }
            _ if pick % 2 == 0 => {
                let call = *self.open.iter().nth(pick as usize % self.open.len().max(1))?;
                self.open.remove(&call);
                Event::Abandoned(call)
            }
            _ => Event::Ticked,
        })
    }
}

proptest! {
    #[test]
    fn memory_is_never_over_committed_and_every_call_is_answered_once(
        steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 1..400),
        refuse in any::<bool>(),
    ) {
        let mut m = machine(600, refuse);
        let mut world = World::default();
        let mut next_call = 0;
        let mut now = 0;
        for step in steps {
            now += u64::from(step.1 % 20);
            if let Some(event) = world.event(step, &mut next_call) {
                world.carry_out(run(&mut m, now, event));
            }
            prop_assert!(m.reserved().0 <= 600, "over-committed: {}", m.reserved());
            if refuse {
                // What waits has something on its way.
                prop_assert!(world.open.is_empty() || m.instance_count() > 0);
            }
        }
        // Let everything end: starts succeed, calls finish, removals complete.
        for _ in 0..10_000 {
            let event = if let Some(no) = world.removing.pop_first() {
                Event::Removed(no)
            } else if let Some(no) = world.starting.pop_first() {
                Event::Started(no)
            } else if let Some((instance, _)) = world.busy.pop_first() {
                Event::Finished { instance, reusable: true }
            } else {
                break;
            };
            world.carry_out(run(&mut m, now, event));
        }
        prop_assert!(world.open.is_empty(), "calls left waiting for ever: {:?}", world.open);
        world.carry_out(run(&mut m, now + 1000, Event::Ticked));
        while let Some(no) = world.removing.pop_first() {
            world.carry_out(run(&mut m, now + 1000, Event::Removed(no)));
        }
        prop_assert_eq!(m.reserved(), MemoryMb(0));
        prop_assert_eq!(m.instance_count(), 0);
        for calls in world.assigned.values() {
            prop_assert!(calls.is_sorted(), "served out of order: {calls:?}");
        }
    }
}
