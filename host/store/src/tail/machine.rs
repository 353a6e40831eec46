//! Which rows of word of changes were told, and which may still appear.
//!
//! Rows are numbered when they are written and become visible when their transaction commits, in another order: behind
//! a number that is missing there may be a transaction that has not committed yet, or one that never will. So missing
//! numbers are asked for again, for as long as a transaction may take.

use remuda_core::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a missing number is asked for: longer than a transaction takes from its number to its commit.
const WAITED: Duration = Duration::from_secs(60);
/// How many missing numbers are remembered. There are many where numbers are given out in steps, as clusters of MySQL do:
/// those between may be another member's.
const MAX_MISSING: usize = 1 << 16;
/// How many of the latest rows are looked at to begin with.
pub(super) const RECENT: u32 = 4000;

/// What reading on has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// These are new.
    New(Vec<T>),
    /// Rows may have gone untold: they are not those that were there before, or more are missing than can be remembered.
    Lost,
}

/// How far the rows were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The highest number that was seen; none when there was no row.
    last: Option<i64>,
    /// Numbers below it that were not, and until when they may appear.
    missing: BTreeMap<i64, Moment>,
    /// Below this the next asking for old missing numbers goes on.
    next_asked: i64,
}

impl Tail {
    /// Begins behind the rows that are there. `recent` are the latest of them, lowest first, at most [`RECENT`], each with
    /// its age: what is missing right below a young one may still commit. So may what is below the lowest, if these are
    /// all.
    pub(super) fn begin(recent: &[(i64, Duration)], now: Moment) -> Self {
        let is_all = recent.len() < RECENT as usize;
        let mut tail =
            Self { last: recent.first().filter(|_| !is_all).map(|(number, _)| *number), ..Self::default() };
        for (number, age) in recent {
            // A number was given out before the next one was.
            if *age < WAITED {
                tail.see(*number, now.after(WAITED - *age));
            }
            tail.last = Some(*number);
        }
        tail.keep(MAX_MISSING / 2, now);
        tail
    }

    /// Rows from this number on are to be read; the row of this number itself shows that nothing was lost.
    pub(super) fn floor(&self) -> i64 {
        self.last.unwrap_or(i64::MIN)
    }

    /// Some of the missing numbers: the latest, which are the likeliest to appear, and of the others other ones each time.
    pub(super) fn ask(&mut self, limit: usize) -> Vec<i64> {
        let late = limit.div_ceil(2);
        let mut asked: Vec<i64> = self.missing.keys().rev().take(late).copied().collect();
        let Some(earliest) = asked.last().copied() else { return asked };
        let from = self.next_asked.min(earliest);
        let others = self.missing.range(..from).rev().chain(self.missing.range(from..earliest).rev());
        asked.extend(others.map(|(number, _)| *number).take(limit - late));
        self.next_asked = asked.get(late..).and_then(<[i64]>::last).copied().unwrap_or(i64::MAX);
        asked
    }

    /// Takes in the rows from [`Tail::floor`] on, lowest first.
    pub(super) fn read<T>(&mut self, rows: Vec<(i64, T)>, now: Moment) -> Heard<T> {
        let mut rows = rows.into_iter();
        if self.last.is_some() && rows.next().map(|(number, _)| number) != self.last {
            return Heard::Lost;
        }
        let mut new = Vec::new();
        for (number, row) in rows {
            self.see(number, now.after(WAITED));
            new.push(row);
        }
        // Half go at once, so that this stays rare.
        let is_lost = self.missing.len() > MAX_MISSING && self.keep(MAX_MISSING / 2, now);
        if is_lost { Heard::Lost } else { Heard::New(new) }
    }

    /// Takes in rows of missing numbers.
    pub(super) fn found<T>(&mut self, rows: Vec<(i64, T)>) -> Vec<T> {
        let missing = &mut self.missing;
        rows.into_iter().filter_map(|(number, row)| missing.remove(&number).map(|_| row)).collect()
    }

    /// Gives up on numbers that have been missing for long: their transactions were undone, or they were nobody's.
    pub(super) fn forget(&mut self, now: Moment) {
        self.missing.retain(|_, until| now < *until);
    }

    /// Numbers begin at 1. What is missing below this one may appear for as long as is said.
    fn see(&mut self, number: i64, until: Moment) {
        // Of a great jump only the end can still be in time.
        let from = (self.last.unwrap_or(0) + 1).max(number.saturating_sub(MAX_MISSING as i64 + 1));
        self.missing.extend((from..number).map(|missing| (missing, until)));
        self.last = Some(number);
    }

    /// Keeps so many missing numbers at most; says whether some were dropped that may still appear.
    fn keep(&mut self, most: usize, now: Moment) -> bool {
        let too_many = self.missing.len().saturating_sub(most);
        let mut is_lost = false;
        for _ in 0..too_many {
            is_lost |= self.missing.pop_first().is_some_and(|(_, until)| now < until);
        }
        is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const NOW: Moment = Moment::from_ms(0);

    /// Rows that were made just now.
    fn young(numbers: &[i64]) -> Vec<(i64, Duration)> {
        numbers.iter().map(|number| (*number, Duration::ZERO)).collect()
    }

    fn begin(numbers: &[i64]) -> Tail {
        Tail::begin(&young(numbers), NOW)
    }

    fn rows(numbers: &[i64]) -> Vec<(i64, i64)> {
        numbers.iter().map(|number| (*number, *number)).collect()
    }

    /// One round of reading a table that has these rows.
    fn round(tail: &mut Tail, table: &BTreeSet<i64>, limit: usize, now: Moment) -> Heard<i64> {
        let from: Vec<i64> = table.range(tail.floor()..).take(limit + 1).copied().collect();
        let mut heard = match tail.read(rows(&from), now) {
            Heard::New(heard) => heard,
            Heard::Lost => return Heard::Lost,
        };
        let asked = tail.ask(limit);
        let there: Vec<i64> = asked.into_iter().filter(|number| table.contains(number)).collect();
        heard.extend(tail.found(rows(&there)));
        tail.forget(now);
        Heard::New(heard)
    }

    #[test]
    fn a_number_that_commits_late_is_told_late() {
        let mut tail = begin(&[1]);
        assert_eq!(tail.ask(10), [0; 0]);
        assert_eq!(tail.read(rows(&[1, 2, 4]), NOW), Heard::New(vec![2, 4]));
        assert_eq!(tail.ask(10), [3]);
        assert_eq!(tail.found(rows(&[3])), [3]);
        assert_eq!(tail.found(rows(&[3])), [0; 0], "and once");
    }

    #[test]
    fn what_was_missing_at_the_start_is_told_when_it_appears() {
        let mut tail = begin(&[2, 4]);
        assert_eq!(tail.ask(10), [3, 1]);
        assert_eq!(tail.found(rows(&[1, 3])), [1, 3]);
    }

    #[test]
    fn a_number_that_never_appears_is_given_up_in_the_end() {
        let mut tail = begin(&[1, 3]);
        tail.forget(Moment::from_ms(59_999));
        assert_eq!(tail.ask(10), [2]);
        tail.forget(Moment::from_ms(60_000));
        assert_eq!(tail.ask(10), [0; 0]);
    }

    #[test]
    fn rows_that_are_gone_are_noticed() {
        assert_eq!(begin(&[8, 9]).read(rows(&[]), NOW), Heard::Lost, "a backup was restored");
        assert_eq!(begin(&[8, 9]).read(rows(&[12, 13]), NOW), Heard::Lost, "cut away");
        assert_eq!(begin(&[]).read(rows(&[1]), NOW), Heard::New(vec![1]));
    }

    #[test]
    fn missing_numbers_are_bounded_and_asked_for_in_turn() {
        let mut tail = begin(&[1]);
        assert_eq!(tail.read(rows(&[1, 1_000_000_000]), NOW), Heard::Lost);
        assert_eq!(tail.missing.len(), MAX_MISSING / 2);
        let mut asked = BTreeSet::new();
        for _ in 0..MAX_MISSING / 2 / 50 + 1 {
            let some = tail.ask(100);
            assert_eq!(some[0], 999_999_999, "the latest each time");
            asked.extend(some);
        }
        assert_eq!(asked.len(), MAX_MISSING / 2);
        assert_eq!(tail.read(rows(&[1_000_000_000, 1_000_000_003]), NOW), Heard::New(vec![1_000_000_003]));
    }

    #[test]
    fn numbers_that_were_left_out_long_ago_are_not_waited_for() {
        let old = |number| (number, Duration::from_secs(60));
        let recent: Vec<_> =
            (0..i64::from(RECENT)).map(|n| old(n * 7 + 1)).chain([(28_001, Duration::ZERO)]).collect();
        let mut tail = Tail::begin(&recent[1..], NOW);
        assert_eq!(
            tail.ask(10),
            [28_000, 27_999, 27_998, 27_997, 27_996, 27_995],
            "27994 is the last old one"
        );
        assert_eq!(tail.read(rows(&[28_001, 28_008]), NOW), Heard::New(vec![28_008]));
    }

    #[test]
    fn numbers_in_steps_are_told_on_and_on() {
        for step in 1..=7 {
            let mut tail = begin(&[]);
            let mut last = None;
            for n in 0..9_000_i64 {
                // A hundred a second.
                let now = Moment::from_ms(n as u64 * 10);
                let new = n * step + 1;
                let from: Vec<i64> = last.into_iter().chain([new]).collect();
                assert_eq!(tail.read(rows(&from), now), Heard::New(vec![new]));
                if n % 100 == 0 {
                    tail.forget(now);
                }
                last = Some(new);
            }
        }
    }

    proptest! {
        /// Transactions take a number each and commit in any order, or never; in between, somebody reads.
        #[test]
        fn each_row_is_told_exactly_once(
            commits in Just((1..=60i64).collect::<Vec<_>>()).prop_shuffle(),
            undone in prop::collection::btree_set(1..=60i64, 0..20),
            before in 0..60usize,
            reads in prop::collection::vec(1..6usize, 60),
            limit in 2..5usize,
            step in 1..=7i64,
        ) {
            let (commits, undone): (Vec<i64>, BTreeSet<i64>) =
                (commits.iter().map(|n| n * step).collect(), undone.iter().map(|n| n * step).collect());
            let mut table: BTreeSet<i64> =
                commits.iter().take(before).filter(|number| !undone.contains(number)).copied().collect();
            let seen: Vec<i64> = table.iter().copied().collect();
            let mut tail = begin(&seen);
            let mut told = Vec::new();
            let mut rest = commits.iter().skip(before);
            for (now_ms, count) in (0..).zip(reads.iter().copied().chain([60]).chain([0; 500])) {
                table.extend(rest.by_ref().take(count).filter(|number| !undone.contains(number)));
                let Heard::New(new) = round(&mut tail, &table, limit, Moment::from_ms(now_ms)) else {
                    return Err(TestCaseError::fail("nothing was lost"));
                };
                told.extend(new);
            }
            told.sort_unstable();
            let expected: Vec<i64> = table.iter().copied().filter(|number| !seen.contains(number)).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
