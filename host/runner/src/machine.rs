//! Who gets which instance: a pure state machine.
//!
//! Invariants, held by the property tests: the memory of all instances that exist (starting, idle, busy or being
//! removed) never exceeds the total; every call is answered exactly once (assigned, refused or failed) unless it was
//! abandoned; an instance serves one call at a time; calls of one key are served in the order of their arrival.
//! Deliberately absent: clocks, I/O, containers. The driver reports events and carries out actions.

mod queue;
#[cfg(test)]
mod tests;

use queue::{Instance, Queue, State};
use remuda_core::target::SlotKey;
use remuda_core::{MemoryMb, Moment};
use std::collections::BTreeMap;
use std::time::Duration;

/// Names a call for the machine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallNo(pub u64);

/// Names an instance for the machine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceNo(pub u64);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call wants an instance of this key.
    Arrived {
        /// The call.
        call: CallNo,
        /// Which instances can serve it.
        key: SlotKey,
        /// What one such instance reserves.
        memory: MemoryMb,
        /// How long one is kept idle.
        idle_timeout: Duration,
    },
    /// A call that waits no longer wants to.
    Abandoned(CallNo),
    /// A started instance listens.
    Started(InstanceNo),
    /// An instance could not be started; nothing of it is left.
    StartFailed(InstanceNo),
    /// The call of a busy instance has ended.
    Finished {
        /// The instance.
        instance: InstanceNo,
        /// Whether it may serve another call.
        reusable: bool,
    },
    /// The process of an instance has ended by itself.
    Exited(InstanceNo),
    /// A removal that was asked for is done: its memory is free.
    Removed(InstanceNo),
    /// Time has passed.
    Ticked,
    /// The node is shutting down: nothing waits, nothing stays idle.
    DrainBegan,
}

/// What the driver is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start an instance of this key; report `Started` or `StartFailed`.
    Start {
        /// The new instance.
        instance: InstanceNo,
        /// What it serves.
        key: SlotKey,
    },
    /// The call runs on this instance; report `Finished`.
    Assign {
        /// The call.
        call: CallNo,
        /// Its instance.
        instance: InstanceNo,
    },
    /// There is no room for the call.
    Refuse(CallNo),
    /// The call gets the fault of this instance's failed start.
    Fail {
        /// The call.
        call: CallNo,
        /// The instance whose start failed.
        instance: InstanceNo,
    },
    /// Kill and remove the instance; report `Removed`.
    Remove(InstanceNo),
}

/// The machine's settings.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What all instances together may reserve.
    pub total: MemoryMb,
    /// Whether a call that no instance can serve is refused at once, or waits.
    pub refuse_when_full: bool,
    /// How many calls may wait.
    pub max_waiting: usize,
}

/// The state: queues of waiting calls by key, and the instances.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    queues: BTreeMap<SlotKey, Queue>,
    instances: BTreeMap<InstanceNo, Instance>,
    /// Which queue a waiting call is in.
    waiting: BTreeMap<CallNo, SlotKey>,
    /// How many instances are planned and not yet started.
    planned: usize,
    next_instance: u64,
    draining: bool,
}

impl Machine {
    /// A machine without instances.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            queues: BTreeMap::new(),
            instances: BTreeMap::new(),
            waiting: BTreeMap::new(),
            planned: 0,
            next_instance: 0,
            draining: false,
        }
    }

    /// Takes in what has happened; appends what is to be done. Reports about instances that are no longer known are
    /// ignored: they crossed with an action.
    pub fn handle(&mut self, now: Moment, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Arrived { call, key, memory, idle_timeout } => {
                self.arrived(call, key, memory, idle_timeout, actions);
            }
            Event::Abandoned(call) => {
                self.abandoned(call);
                // What was planned for it may be what another call waits for.
                self.plan_for_waiting(actions);
            }
            Event::Started(instance) => self.freed(now, instance, actions),
            Event::StartFailed(instance) => self.start_failed(instance, actions),
            Event::Finished { instance, reusable: true } => self.freed(now, instance, actions),
            Event::Finished { instance, reusable: false } | Event::Exited(instance) => {
                self.spent(instance, actions);
            }
            Event::Removed(instance) => {
                self.instances.remove(&instance);
                self.plan_for_waiting(actions);
            }
            Event::Ticked => self.expire(now, actions),
            Event::DrainBegan => self.drain(actions),
        }
        self.start_what_fits(actions);
        self.forget_unused_queues();
    }

    /// When the next idle instance's time is over; `None` when none is idle.
    pub fn next_wake(&self) -> Option<Moment> {
        self.instances.values().filter_map(|instance| self.expiry(instance)).min()
    }

    /// What the instances that exist reserve.
    pub fn reserved(&self) -> MemoryMb {
        MemoryMb(self.instances.values().filter(|i| i.state != State::Planned).map(|i| i.memory.0).sum())
    }

    /// Whether calls of this key wait or have instances.
    pub fn knows(&self, key: &SlotKey) -> bool {
        self.queues.contains_key(key)
    }

    /// How many keys have waiting calls or instances.
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// How many instances exist or are planned.
    pub fn instance_count(&self) -> usize {
        self.instances.len()
    }

    fn arrived(
        &mut self,
        call: CallNo,
        key: SlotKey,
        memory: MemoryMb,
        idle_timeout: Duration,
        actions: &mut Vec<Action>,
    ) {
        if self.draining || memory > self.rules.total {
            return actions.push(Action::Refuse(call));
        }
        let queue = self.queues.entry(key).or_insert_with(|| Queue::new(memory, idle_timeout));
        if let Some(instance) = queue.idle.pop() {
            return self.assign(call, instance, actions);
        }
        if self.waiting.len() >= self.rules.max_waiting {
            return actions.push(Action::Refuse(call));
        }
        queue.waiting.push_back(call);
        self.waiting.insert(call, key);
        let covered = self.plan_instance(key, actions);
        if !covered && self.rules.refuse_when_full {
            self.abandoned(call);
            actions.push(Action::Refuse(call));
        }
    }

    fn assign(&mut self, call: CallNo, instance: InstanceNo, actions: &mut Vec<Action>) {
        if let Some(found) = self.instances.get_mut(&instance) {
            found.state = State::Busy;
            actions.push(Action::Assign { call, instance });
        }
    }

    /// Plans one more instance for a key when a waiting call has none on its way, making room by removing idle
    /// instances of other keys, the longest idle first, all that is needed or none. Says whether every waiting call
    /// of the key has an instance on its way.
    fn plan_instance(&mut self, key: SlotKey, actions: &mut Vec<Action>) -> bool {
        let Some(queue) = self.queues.get(&key) else { return true };
        if queue.waiting.len() <= queue.coming {
            return true;
        }
        let memory = queue.memory;
        // What will be free once the removals under way are done and the plans made are carried out.
        let promised: u64 =
            self.instances.values().filter(|i| i.state != State::Removing).map(|i| i.memory.0).sum();
        let mut free = self.rules.total.0.saturating_sub(promised);
        let mut idle: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.key != key)
            .filter_map(|(no, instance)| Some((instance.idle_since()?, *no, instance.memory)))
            .collect();
        idle.sort_unstable();
        let mut evicted = Vec::new();
        for (_, no, its_memory) in idle {
            if free >= memory.0 {
                break;
            }
            free += its_memory.0;
            evicted.push(no);
        }
        if free < memory.0 {
            return false;
        }
        for no in evicted {
            self.remove(no, actions);
        }
        let instance = InstanceNo(self.next_instance);
        self.next_instance += 1;
        self.instances.insert(instance, Instance { key, memory, state: State::Planned });
        self.planned += 1;
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.coming += 1;
        }
        true
    }

    /// Starts planned instances, in the order of their planning, as far as memory is really free.
    fn start_what_fits(&mut self, actions: &mut Vec<Action>) {
        if self.planned == 0 {
            return;
        }
        let mut free = self.rules.total.0.saturating_sub(self.reserved().0);
        for (no, instance) in &mut self.instances {
            if instance.state == State::Planned {
                if instance.memory.0 > free {
                    break;
                }
                free -= instance.memory.0;
                instance.state = State::Starting;
                self.planned -= 1;
                actions.push(Action::Start { instance: *no, key: instance.key });
            }
        }
    }

    /// An instance is ready for a call: its key's first waiting call gets it, or it becomes idle.
    fn freed(&mut self, now: Moment, no: InstanceNo, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get(&no).copied() else { return };
        if !matches!(instance.state, State::Starting | State::Busy) {
            return;
        }
        let Some(queue) = self.queues.get_mut(&instance.key) else { return };
        if instance.state == State::Starting {
            queue.coming -= 1;
        }
        if self.draining {
            return self.remove(no, actions);
        }
        if let Some(call) = queue.waiting.pop_front() {
            self.waiting.remove(&call);
            self.assign(call, no, actions);
            if self.cancel_surplus_plans(instance.key) {
                self.plan_for_waiting(actions);
            }
        } else {
            queue.idle.push(no);
            if let Some(found) = self.instances.get_mut(&no) {
                found.state = State::Idle { since: now };
            }
            // Its memory may be what a call of another key waits for.
            self.plan_for_waiting(actions);
        }
    }

    fn start_failed(&mut self, no: InstanceNo, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.remove(&no) else { return };
        if let Some(queue) = self.queues.get_mut(&instance.key) {
            queue.coming = queue.coming.saturating_sub(1);
            // The oldest waiting call is the one this start was for; the others have starts of their own.
            if let Some(call) = queue.waiting.pop_front() {
                self.waiting.remove(&call);
                actions.push(Action::Fail { call, instance: no });
            }
        }
        self.plan_for_waiting(actions);
    }

    /// An instance is of no more use.
    fn spent(&mut self, no: InstanceNo, actions: &mut Vec<Action>) {
        match self.instances.get(&no).map(|instance| instance.state) {
            // A start that is under way reports its own failure.
            None | Some(State::Planned | State::Starting | State::Removing) => {}
            Some(State::Idle { .. } | State::Busy) => {
                self.remove(no, actions);
                self.plan_for_waiting(actions);
            }
        }
    }

    fn remove(&mut self, no: InstanceNo, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(&no) else { return };
        instance.state = State::Removing;
        if let Some(queue) = self.queues.get_mut(&instance.key) {
            queue.idle.retain(|idle| *idle != no);
        }
        actions.push(Action::Remove(no));
    }

    /// Plans for every key whose calls wait, the oldest waiting call first.
    fn plan_for_waiting(&mut self, actions: &mut Vec<Action>) {
        if self.waiting.is_empty() {
            return;
        }
        let mut keys: Vec<_> =
            self.queues.iter().filter_map(|(key, queue)| Some((*queue.waiting.front()?, *key))).collect();
        keys.sort_unstable();
        for (_, key) in keys {
            let missing = self.queues.get(&key).map_or(0, |q| q.waiting.len().saturating_sub(q.coming));
            for _ in 0..missing {
                if !self.plan_instance(key, actions) {
                    return self.refuse_uncovered(actions);
                }
            }
        }
    }

    /// What was counted on did not come (a start failed, an instance died): in refusing mode the calls that nothing
    /// is coming for are refused now.
    fn refuse_uncovered(&mut self, actions: &mut Vec<Action>) {
        if !self.rules.refuse_when_full {
            return;
        }
        for queue in self.queues.values_mut() {
            // Busy instances of the key will serve them in turn, but when is not known: the balancer can do better.
            while queue.waiting.len() > queue.coming {
                if let Some(call) = queue.waiting.pop_back() {
                    self.waiting.remove(&call);
                    actions.push(Action::Refuse(call));
                }
            }
        }
    }

    fn abandoned(&mut self, call: CallNo) {
        let Some(key) = self.waiting.remove(&call) else { return };
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.waiting.retain(|waiting| *waiting != call);
        }
        self.cancel_surplus_plans(key);
    }

    /// Drops planned instances that no waiting call needs, and says whether there were any; those that already start
    /// become idle.
    fn cancel_surplus_plans(&mut self, key: SlotKey) -> bool {
        let mut cancelled = false;
        let Some(queue) = self.queues.get_mut(&key) else { return cancelled };
        while queue.coming > queue.waiting.len() {
            let mut planned = self.instances.iter().rev();
            let Some((no, _)) = planned.find(|(_, i)| i.key == key && i.state == State::Planned) else {
                return cancelled;
            };
            let no = *no;
            self.instances.remove(&no);
            self.planned -= 1;
            queue.coming -= 1;
            cancelled = true;
        }
        cancelled
    }

    fn expiry(&self, instance: &Instance) -> Option<Moment> {
        let since = instance.idle_since()?;
        Some(since.after(self.queues.get(&instance.key)?.idle_timeout))
    }

    fn expire(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let over = |instance: &Instance| self.expiry(instance).is_some_and(|at| at <= now);
        let expired: Vec<_> =
            self.instances.iter().filter(|(_, instance)| over(instance)).map(|(no, _)| *no).collect();
        for no in expired {
            self.remove(no, actions);
        }
    }

    fn drain(&mut self, actions: &mut Vec<Action>) {
        self.draining = true;
        for queue in self.queues.values_mut() {
            actions.extend(queue.waiting.drain(..).map(Action::Refuse));
        }
        self.waiting.clear();
        for key in self.queues.keys().copied().collect::<Vec<_>>() {
            self.cancel_surplus_plans(key);
        }
        let idle: Vec<_> =
            self.instances.iter().filter(|(_, i)| i.idle_since().is_some()).map(|(no, _)| *no).collect();
        for no in idle {
            self.remove(no, actions);
        }
    }

    fn forget_unused_queues(&mut self) {
        if self.queues.len() > self.instances.len() {
            let instances = &self.instances;
            self.queues.retain(|key, queue| {
                !queue.waiting.is_empty() || instances.values().any(|instance| instance.key == *key)
            });
        }
    }
}
