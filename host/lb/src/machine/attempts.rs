//! One call looking for a runner: try the candidates of a round in turn, then wait for something to change or a short
//! while, until the deadline.

use remuda_core::Moment;
use std::time::Duration;

/// The first pause after a round without success (Fn's `RetryAllDelay`).
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Pauses double up to this one.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What happened to the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The candidates of a new round, the first to try first, as the answer to [`Action::Order`].
    Ordered(Vec<usize>),
    /// The candidate that was tried has no room.
    Busy,
    /// The candidate that was tried could not be reached.
    NeverArrived,
    /// Capacity may have appeared: the pool changed, or a call of the group ended.
    Woken,
    /// The pause that was asked for is over.
    Tick,
}

/// What to do with the call now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Put the group's runners in order.
    Order,
    /// Offer the call to this candidate of the round.
    Try(usize),
    /// Wait for capacity, at the longest until this moment.
    Wait {
        /// When to report [`Event::Tick`].
        until: Moment,
    },
    /// Nobody took it in time.
    GiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ordering,
    Trying,
    Waiting { until: Moment },
    GivenUp,
}

/// The machine. After [`Action::GiveUp`] it says nothing else.
#[derive(Debug)]
pub(crate) struct Attempts {
    deadline: Moment,
    state: State,
    round: Vec<usize>,
    next: usize,
    /// One bit a candidate; filled from the second candidate of a round on, as most calls need but one.
    tried: Vec<u64>,
    pause: Duration,
}

impl Attempts {
    /// A call that must be placed before `deadline`. Its first action is [`Action::Order`], whatever the deadline.
    pub(crate) fn new(deadline: Moment) -> Self {
        Self {
            deadline,
            state: State::Ordering,
            round: Vec::new(),
            next: 0,
            tried: Vec::new(),
            pause: FIRST_PAUSE,
        }
    }

    /// Takes what happened and says what to do. An event that does not fit the state changes nothing.
    pub(crate) fn handle(&mut self, now: Moment, event: Event) -> Action {
        match (self.state, event) {
            (State::Ordering, Event::Ordered(round)) => {
                self.round = round;
                self.next = 0;
                self.tried.clear();
                self.advance(now)
            }
            (State::Trying, Event::Busy | Event::NeverArrived) => self.advance(now),
            (State::Waiting { .. }, Event::Woken) => {
                self.pause = FIRST_PAUSE;
                self.new_round(now)
            }
            (State::Waiting { until }, Event::Tick) if now >= until => self.new_round(now),
            (
                State::Ordering | State::Trying | State::Waiting { .. } | State::GivenUp,
                Event::Ordered(_) | Event::Busy | Event::NeverArrived | Event::Woken | Event::Tick,
            ) => self.repeat(),
        }
    }

    fn advance(&mut self, now: Moment) -> Action {
        if now >= self.deadline {
            return self.give_up();
        }
        while let Some(&candidate) = self.round.get(self.next) {
            self.next += 1;
            if self.mark(candidate) {
                self.state = State::Trying;
                return Action::Try(candidate);
            }
        }
        let until = now.after(self.pause).min(self.deadline);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.state = State::Waiting { until };
        Action::Wait { until }
    }

    fn new_round(&mut self, now: Moment) -> Action {
        if now >= self.deadline {
            return self.give_up();
        }
        self.state = State::Ordering;
        Action::Order
    }

    fn give_up(&mut self) -> Action {
        self.state = State::GivenUp;
        Action::GiveUp
    }

    fn repeat(&self) -> Action {
        match self.state {
            State::Ordering => Action::Order,
            State::Trying => Action::Try(self.round[self.next - 1]),
            State::Waiting { until } => Action::Wait { until },
            State::GivenUp => Action::GiveUp,
        }
    }

    /// Notes that a candidate is tried in this round; false when it already was (a placement may name one twice).
    fn mark(&mut self, candidate: usize) -> bool {
        if self.next == 1 {
            return true;
        }
        if self.tried.is_empty() {
            let most = self.round.iter().copied().max().unwrap_or(0);
            self.tried.resize(most / 64 + 1, 0);
            let first = self.round[0];
            self.tried[first / 64] |= 1 << (first % 64);
        }
        let (word, bit) = (candidate / 64, 1u64 << (candidate % 64));
        let fresh = self.tried[word] & bit == 0;
        self.tried[word] |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn at(ms: u64) -> Moment {
        Moment::from_ms(ms)
    }

    #[test]
    fn a_busy_or_unreachable_runner_moves_the_call_on_and_a_round_is_followed_by_a_pause() {
        let mut call = Attempts::new(at(1000));
        let table = [
            (0, Event::Ordered(vec![2, 0, 1]), Action::Try(2)),
            (1, Event::Busy, Action::Try(0)),
            (2, Event::NeverArrived, Action::Try(1)),
            (3, Event::Busy, Action::Wait { until: at(13) }),
            (5, Event::Tick, Action::Wait { until: at(13) }),
            (13, Event::Tick, Action::Order),
            (13, Event::Ordered(vec![0]), Action::Try(0)),
            (14, Event::Busy, Action::Wait { until: at(34) }),
        ];
        for (now, event, action) in table {
            assert_eq!(call.handle(at(now), event.clone()), action, "{event:?} at {now}");
        }
    }

    #[test]
    fn an_empty_pool_waits_for_a_change() {
        let mut call = Attempts::new(at(1000));
        assert_eq!(call.handle(at(0), Event::Ordered(vec![])), Action::Wait { until: at(10) });
        assert_eq!(call.handle(at(4), Event::Woken), Action::Order);
        assert_eq!(call.handle(at(4), Event::Ordered(vec![0])), Action::Try(0));
    }

    #[test]
    fn pauses_double_to_a_fifth_of_a_second_and_start_anew_when_capacity_may_have_appeared() {
        let mut call = Attempts::new(at(100_000));
        let (mut now, mut pauses) = (0, Vec::new());
        for _ in 0..7 {
            let Action::Wait { until } = call.handle(at(now), Event::Ordered(vec![])) else {
                panic!("no wait")
            };
            pauses.push(until.as_ms() - now);
            now = until.as_ms();
            assert_eq!(call.handle(at(now), Event::Tick), Action::Order);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 200, 200]);
        call.handle(at(now), Event::Ordered(vec![]));
        call.handle(at(now), Event::Woken);
        assert_eq!(call.handle(at(now), Event::Ordered(vec![])), Action::Wait { until: at(now + 10) });
    }

    #[test]
    fn a_pause_ends_at_the_deadline_and_the_call_is_given_up_there() {
        let mut call = Attempts::new(at(5));
        assert_eq!(call.handle(at(0), Event::Ordered(vec![])), Action::Wait { until: at(5) });
        assert_eq!(call.handle(at(5), Event::Tick), Action::GiveUp);
        assert_eq!(call.handle(at(5), Event::Ordered(vec![1])), Action::GiveUp);
        assert_eq!(call.handle(at(0), Event::Woken), Action::GiveUp);
    }

    #[test]
    fn a_runner_named_twice_is_tried_once() {
        let mut call = Attempts::new(at(1000));
        assert_eq!(call.handle(at(0), Event::Ordered(vec![70, 70, 1, 70, 1])), Action::Try(70));
        assert_eq!(call.handle(at(0), Event::Busy), Action::Try(1));
        assert!(matches!(call.handle(at(0), Event::Busy), Action::Wait { .. }));
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            proptest::collection::vec(0usize..80, 0..12).prop_map(Event::Ordered),
            Just(Event::Busy),
            Just(Event::NeverArrived),
            Just(Event::Woken),
            Just(Event::Tick),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_tried_after_the_deadline_nor_twice_in_a_round(
            events in proptest::collection::vec((0u64..40, event()), 1..200),
            deadline in 0u64..2000,
        ) {
            let mut call = Attempts::new(at(deadline));
            let (mut now, mut gave_up, mut round, mut last) = (0, false, HashSet::new(), Action::Order);
            for (step, event) in events {
                now += step;
                let fits = match (&last, &event) {
                    (Action::Order, Event::Ordered(_)) => true,
                    (Action::Try(_), Event::Busy | Event::NeverArrived) => true,
                    (Action::Wait { .. }, Event::Woken) => true,
                    (Action::Wait { until }, Event::Tick) => at(now) >= *until,
                    _ => false,
                };
                if fits && matches!(event, Event::Ordered(_)) {
                    round.clear();
                }
                let action = call.handle(at(now), event);
                prop_assert!(fits || action == last, "an event that does not fit changes nothing");
                prop_assert!(!gave_up || action == Action::GiveUp);
                match &action {
                    Action::Try(candidate) if fits => {
                        prop_assert!(now < deadline);
                        prop_assert!(round.insert(*candidate));
                    }
                    Action::Wait { until } => prop_assert!(*until <= at(deadline)),
                    Action::GiveUp => gave_up = true,
                    Action::Try(_) | Action::Order => {}
                }
                last = action;
            }
        }
    }
}
