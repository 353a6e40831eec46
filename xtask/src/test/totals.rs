//! Counting tests in what the test runners print.

use std::fmt;

/// How many tests passed, failed and were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Totals {
    /// From nextest's one summary line: `Summary [   0.679s] 18 tests run: 17 passed, 1 failed, 2 skipped`.
    pub(crate) fn of_nextest(lines: &[String]) -> Self {
        let summary = lines.iter().rev().find(|line| line.contains("Summary [") && line.contains(" run: "));
        let counts = summary.and_then(|line| line.split_once(" run: ")).map_or("", |(_, counts)| counts);
        Self {
            passed: before(counts, "passed"),
            failed: before(counts, "failed") + before(counts, "timed out") + before(counts, "exec failed"),
            skipped: before(counts, "skipped"),
        }
    }

    /// From cargo's line for each binary: `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    pub(crate) fn of_cargo_test(lines: &[String]) -> Self {
        let results = lines.iter().filter(|line| line.starts_with("test result: "));
        results.fold(Self::default(), |sum, line| Self {
            passed: sum.passed + before(line, "passed"),
            failed: sum.failed + before(line, "failed"),
            skipped: sum.skipped + before(line, "ignored"),
        })
    }
}

/// The number that stands before a word, 0 when the word does not occur.
fn before(text: &str, word: &str) -> u64 {
    let words: Vec<&str> = text.split([' ', ',', ';', '(', ')']).filter(|part| !part.is_empty()).collect();
    let wanted: Vec<&str> = word.split(' ').collect();
    let place = words.windows(wanted.len()).position(|window| window == wanted.as_slice());
    place.and_then(|place| words.get(place.checked_sub(1)?)?.parse().ok()).unwrap_or_default()
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} tests passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn nextests_summary_is_read() {
        let text =
            "     Summary [   0.679s] 18 tests run: 15 passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(Totals::of_nextest(&lines(text)), Totals { passed: 15, failed: 3, skipped: 4 });
        let text = "     Summary [   0.488s] 10/18 tests run: 9 passed, 1 failed, 0 skipped";
        assert_eq!(Totals::of_nextest(&lines(text)), Totals { passed: 9, failed: 1, skipped: 0 });
    }

    #[test]
    fn cargos_results_are_added_up() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\nother\n\
                    test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Totals::of_cargo_test(&lines(text)), Totals { passed: 7, failed: 2, skipped: 1 });
    }
}
