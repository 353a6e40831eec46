//! Which rows of word of changes were told, and which may still appear.
//!
//! Rows are numbered when they are written and become visible when their transaction commits, in another order: behind
//! a number that is missing there may be a transaction that has not committed yet, or one that never will. So missing
//! numbers are asked for again, for as long as a transaction may take.

use remuda_core::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a missing number is asked for: longer than a transaction takes from its number to its commit.
const WAITED: Duration = Duration::from_secs(20);
/// How many missing numbers are remembered.
const MAX_MISSING: usize = 4096;
/// How many of the latest rows are looked at to begin with.
pub(super) const RECENT: u32 = 4000;

/// What reading on has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<T> {
    /// These are new.
    New(Vec<T>),
    /// The rows are not those that were there before: any of them may have gone untold.
    Lost,
}

/// How far the rows were read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The highest number that was seen; none when there was no row.
    last: Option<i64>,
    /// Numbers below it that were not, and since when they are missing.
    missing: BTreeMap<i64, Moment>,
    /// Where the next asking for missing numbers begins.
    next_asked: i64,
}

impl Tail {
    /// Begins behind the rows that are there. `recent` are the numbers of the latest of them, lowest first, at most
    /// [`RECENT`]: what is missing between them may still commit. So may what is below the lowest, if these are all.
    pub(super) fn begin(recent: &[i64], now: Moment) -> Self {
        let is_all = recent.len() < RECENT as usize;
        let mut tail = Self { last: recent.first().filter(|_| !is_all).copied(), ..Self::default() };
        for number in recent {
            tail.see(*number, now);
        }
        tail.bound();
        tail
    }

    /// Rows from this number on are to be read; the row of this number itself shows that nothing was lost.
    pub(super) fn floor(&self) -> i64 {
        self.last.unwrap_or(i64::MIN)
    }

    /// Some of the missing numbers, others each time.
    pub(super) fn ask(&mut self, limit: usize) -> Vec<i64> {
        let from = self.next_asked;
        let behind = self.missing.range(from..).chain(self.missing.range(..from));
        let asked: Vec<i64> = behind.map(|(number, _)| *number).take(limit).collect();
        self.next_asked = asked.last().map_or(0, |last| last + 1);
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
            self.see(number, now);
            new.push(row);
        }
        if self.bound() { Heard::Lost } else { Heard::New(new) }
    }

    /// Takes in rows of missing numbers.
    pub(super) fn found<T>(&mut self, rows: Vec<(i64, T)>) -> Vec<T> {
        let missing = &mut self.missing;
        rows.into_iter().filter_map(|(number, row)| missing.remove(&number).map(|_| row)).collect()
    }

    /// Gives up on numbers that have been missing for long: their transactions were undone.
    pub(super) fn forget(&mut self, now: Moment) {
        self.missing.retain(|_, since| now.since(*since) < WAITED);
    }

    /// Numbers begin at 1.
    fn see(&mut self, number: i64, now: Moment) {
        // Of a great jump only the end can still be in time.
        let from = (self.last.unwrap_or(0) + 1).max(number.saturating_sub(MAX_MISSING as i64 + 1));
        self.missing.extend((from..number).map(|missing| (missing, now)));
        self.last = Some(number);
    }

    /// Keeps the missing numbers few; says whether some were dropped.
    fn bound(&mut self) -> bool {
        let too_many = self.missing.len().saturating_sub(MAX_MISSING);
        for _ in 0..too_many {
            self.missing.pop_first();
        }
        too_many > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const NOW: Moment = Moment::from_ms(0);

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
        let mut tail = Tail::begin(&[1], NOW);
        assert_eq!(tail.ask(10), [0; 0]);
        assert_eq!(tail.read(rows(&[1, 2, 4]), NOW), Heard::New(vec![2, 4]));
        assert_eq!(tail.ask(10), [3]);
        assert_eq!(tail.found(rows(&[3])), [3]);
        assert_eq!(tail.found(rows(&[3])), [0; 0], "and once");
    }

    #[test]
    fn what_was_missing_at_the_start_is_told_when_it_appears() {
        let mut tail = Tail::begin(&[2, 4], NOW);
        assert_eq!(tail.ask(10), [1, 3]);
        assert_eq!(tail.found(rows(&[1, 3])), [1, 3]);
    }

    #[test]
    fn a_number_that_never_appears_is_given_up_in_the_end() {
        let mut tail = Tail::begin(&[1, 3], NOW);
        tail.forget(Moment::from_ms(19_999));
        assert_eq!(tail.ask(10), [2]);
        tail.forget(Moment::from_ms(20_000));
        assert_eq!(tail.ask(10), [0; 0]);
    }

    #[test]
    fn rows_that_are_gone_are_noticed() {
        assert_eq!(Tail::begin(&[8, 9], NOW).read(rows(&[]), NOW), Heard::Lost, "a backup was restored");
        assert_eq!(Tail::begin(&[8, 9], NOW).read(rows(&[12, 13]), NOW), Heard::Lost, "cut away");
        assert_eq!(Tail::begin(&[], NOW).read(rows(&[1]), NOW), Heard::New(vec![1]));
    }

    #[test]
    fn missing_numbers_are_bounded_and_asked_for_in_turn() {
        let mut tail = Tail::begin(&[1], NOW);
        assert_eq!(tail.read(rows(&[1, 1_000_000_000]), NOW), Heard::Lost);
        assert_eq!(tail.missing.len(), MAX_MISSING);
        let mut asked = BTreeSet::new();
        for _ in 0..MAX_MISSING.div_ceil(100) {
            asked.extend(tail.ask(100));
        }
        assert_eq!(asked.len(), MAX_MISSING);
    }

    proptest! {
        /// Transactions take a number each and commit in any order, or never; in between, somebody reads.
        #[test]
        fn each_row_is_told_exactly_once(
            commits in Just((1..=60i64).collect::<Vec<_>>()).prop_shuffle(),
            undone in prop::collection::btree_set(1..=60i64, 0..20),
            before in 0..60usize,
            reads in prop::collection::vec(1..6usize, 60),
            limit in 1..5usize,
        ) {
            let mut table: BTreeSet<i64> =
                commits.iter().take(before).filter(|number| !undone.contains(number)).copied().collect();
            let seen: Vec<i64> = table.iter().copied().collect();
            let mut tail = Tail::begin(&seen, NOW);
            let mut told = Vec::new();
            let mut rest = commits.iter().skip(before);
            for (now_ms, count) in (0..).zip(reads.iter().copied().chain([60]).chain([0; 200])) {
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
