//! `{{name}}` in what is sent and expected.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a run's own name is, so that scenarios can count.
const RUN_LENGTH: usize = 12;

/// What is known at a step: `run`, `n`, `image`, and what steps before it have kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn extend(&mut self, kept: BTreeMap<String, String>) {
        self.0.extend(kept);
    }

    /// The text with every `{{name}}` replaced; `{{x*20}}` is twenty times the letter.
    ///
    /// # Errors
    /// Names what no step has kept.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            filled.push_str(before);
            match (self.0.get(name), name.split_once('*').map(|(what, count)| (what, count.parse::<usize>())))
            {
                (Some(value), _) => filled.push_str(value),
                (None, Some((what, Ok(count)))) => filled.push_str(&what.repeat(count)),
                _ => return Err(format!("no step before has kept `{name}`")),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// A name that no run before had, of twelve lower-case letters and digits, for the names of apps.
pub(crate) fn run_name() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number = now.as_nanos() ^ (u128::from(std::process::id()) << 40);
    let mut name = String::from("c");
    while name.len() < RUN_LENGTH {
        name.push(char::from(DIGITS[usize::try_from(number % 36).unwrap_or_default()]));
        number /= 36;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_letters_repeated() {
        let mut variables = Variables::default();
        variables.set("run", "r1");
        assert_eq!(variables.fill(r#"{"a":"{{run}}-{{y*3}}"}"#).unwrap(), r#"{"a":"r1-yyy"}"#);
        assert!(variables.fill("{{app}}").unwrap_err().contains("`app`"));
    }

    #[test]
    fn a_runs_name_has_the_length_that_scenarios_count_on() {
        assert_eq!(run_name().len(), RUN_LENGTH);
        assert_ne!(run_name(), run_name());
    }
}
