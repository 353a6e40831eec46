//! What schemathesis says at its end.

/// Its output, and the figures in it.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) text: String,
    /// How many operations it tried.
    pub(super) operations: u64,
    /// How many cases it made.
    pub(super) cases: u64,
}

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let lines = || text.lines().map(str::trim);
        let number = |text: &str| text.split([' ', ',']).next().and_then(|word| word.parse().ok());
        let operations = lines().find_map(|line| number(line.strip_prefix("Tested:")?.trim()));
        let cases =
            lines().find_map(|line| line.split_once(" generated").and_then(|(count, _)| number(count)));
        Self {
            text: text.to_owned(),
            operations: operations.unwrap_or_default(),
            cases: cases.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found() {
        let words = Words::of(
            "API Operations:\n  Selected: 29/30\n  Tested: 29\n\nTest cases:\n  1745 generated, 13 found 13 unique failures\n",
        );
        assert_eq!((words.operations, words.cases), (29, 1745));
        let words = Words::of("nothing was tried");
        assert_eq!((words.operations, words.cases), (0, 0));
    }
}
