//! Reading the daemons' logs: which lines complain.

use serde_json::Value;

/// A line of a log that warns, fails, or tells of a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line's number, from 1.
    pub line: usize,
    /// The line, without colours.
    pub text: String,
}

/// How many words of a text line may come before its level: the time, and a prefix.
const WORDS_BEFORE_LEVEL: usize = 3;

/// All lines of a log at level warning or above, in either format (`text`, `json`), and panics of Rust, which are
/// printed without a level.
#[must_use]
pub fn complaints(log: &str) -> Vec<Complaint> {
    let lines = log.lines().enumerate();
    let plain = lines.map(|(index, line)| Complaint { line: index + 1, text: without_colours(line) });
    plain.filter(|line| complains(&line.text)).collect()
}

fn complains(line: &str) -> bool {
    if line.starts_with("thread '") && line.contains(" panicked at ") {
        return true;
    }
    if let Ok(Value::Object(entry)) = serde_json::from_str::<Value>(line) {
        return entry.get("level").and_then(Value::as_str).is_some_and(is_bad);
    }
    line.split_whitespace().take(WORDS_BEFORE_LEVEL).any(is_bad)
}

fn is_bad(level: &str) -> bool {
    matches!(level.trim_end_matches(':'), "WARN" | "ERROR")
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A colour is ESC [ digits m: skip to the letter that ends it.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_errors_and_panics_complain_and_nothing_else_does() {
        let log = "\
2026-11-20T10:00:00.000Z  INFO remuda_lb: the word ERROR far behind is no level
2026-11-20T10:00:00.000Z  \u{1b}[33mWARN\u{1b}[0m remuda_lb: npm away
{\"timestamp\":\"t\",\"level\":\"ERROR\",\"fields\":{\"message\":\"m\"}}
{\"timestamp\":\"t\",\"level\":\"INFO\",\"fields\":{\"message\":\"WARN\"}}
thread 'main' (77) panicked at src/x.rs:1:1:
2026-11-20T10:00:00.000Z DEBUG remuda_lb: fine";
        let lines: Vec<usize> = complaints(log).iter().map(|complaint| complaint.line).collect();
        assert_eq!(lines, [2, 3, 5]);
        assert_eq!(complaints(log)[0].text, "2026-11-20T10:00:00.000Z  WARN remuda_lb: npm away");
    }

    #[test]
    fn a_panic_of_an_unnamed_thread_complains() {
        assert_eq!(complaints("thread '<unnamed>' panicked at src/x.rs:1:1:").len(), 1);
    }
}
