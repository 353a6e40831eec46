//! Reads variables and keeps all mistakes.

use super::setting::Setting;
use super::{Environment, Variable, reference};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;

/// A variable that is missing or wrong: its name, what it held, what to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable.
    pub variable: String,
    /// What it held; `None` when it was not set.
    pub held: Option<String>,
    /// What to set instead.
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.held {
            Some(held) => write!(f, "{} is '{held}': {}", self.variable, self.fix),
            None => write!(f, "{} is not set: {}", self.variable, self.fix),
        }
    }
}

/// Hands out typed values, and remembers which variables were asked for and what was wrong with them.
#[derive(Debug)]
pub struct Reader {
    environment: Environment,
    asked: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    /// A reader of this environment.
    pub fn new(environment: Environment) -> Self {
        Self { environment, asked: BTreeSet::new(), mistakes: Vec::new() }
    }

    /// The value of `variable`, else `default`. A wrong value is a mistake, and the default stands in for it.
    pub fn get<T: Setting>(&mut self, variable: &str, default: &str) -> T {
        match self.text(variable) {
            None => T::parse(default).unwrap_or_else(|_| T::fallback()),
            Some(text) => T::parse(&text).unwrap_or_else(|fix| {
                let held = if T::IS_SECRET { "***".to_owned() } else { text };
                self.mistake(variable, Some(held), fix);
                T::parse(default).unwrap_or_else(|_| T::fallback())
            }),
        }
    }

    /// The text of a variable, or of the file that `<variable>_FILE` names; empty counts as unset.
    pub fn text(&mut self, variable: &str) -> Option<String> {
        self.asked.insert(variable.to_owned());
        let set =
            |name: &str, environment: &Environment| environment.get(name).filter(|v| !v.is_empty()).cloned();
        if let Some(text) = set(variable, &self.environment) {
            return Some(text);
        }
        let file_variable = format!("{variable}_FILE");
        self.asked.insert(file_variable.clone());
        let path = set(&file_variable, &self.environment)?;
        match fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end_matches(['\n', '\r']).to_owned()).filter(|text| !text.is_empty()),
            Err(error) => {
                self.mistake(&file_variable, Some(path), format!("cannot read that file ({error})"));
                None
            }
        }
    }

    /// Notes a mistake.
    pub fn mistake(&mut self, variable: &str, held: Option<String>, fix: impl Into<String>) {
        self.mistakes.push(Mistake { variable: variable.to_owned(), held, fix: fix.into() });
    }

    /// Notes that a variable must be set and is not.
    pub fn missing(&mut self, variable: &str, fix: impl Into<String>) {
        self.mistake(variable, None, fix);
    }

    /// Whether anything was wrong so far.
    pub fn is_wrong(&self) -> bool {
        !self.mistakes.is_empty()
    }

    /// Ends the reading: the mistakes if there are any, else a warning for each variable that looks like ours and
    /// has no effect here. `also_known` are variables that somebody else reads (a plugin).
    pub fn finish(self, also_known: &[String]) -> Result<Vec<String>, Vec<Mistake>> {
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        let ours = |name: &str| name.starts_with("FN_") || name == "CONTROL_PLANE_SO";
        let unused = self.environment.iter().filter(|(name, value)| {
            ours(name) && !value.is_empty() && !self.asked.contains(*name) && !also_known.contains(name)
        });
        Ok(unused.filter_map(|(name, _)| warning(name)).collect())
    }
}

/// What to say of a variable that nobody asked for; `None` when it belongs to another kind of node.
fn warning(name: &str) -> Option<String> {
    let all: Vec<&Variable> = reference::all().collect();
    let plain = name.strip_suffix("_FILE").unwrap_or(name);
    if all.iter().any(|variable| variable.name == plain) {
        return None;
    }
    if reference::NOT_YET.contains(&plain) {
        return Some(format!("{name} is known from Fn and not honoured yet: it has no effect"));
    }
    let known = all.iter().map(|variable| variable.name);
    let nearest = known.map(|known| (distance(known, name), known)).min()?;
    Some(match nearest {
        (1..=3, known) => format!("{name} is not a variable of this program; did you mean {known}?"),
        _ => format!("{name} is not a variable of this program: it has no effect"),
    })
}

/// Levenshtein's distance: how many letters must change to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(pairs: &[(&str, &str)]) -> Reader {
        Reader::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_value_and_fix() {
        let mut reader = reader(&[("FN_PORT", "http"), ("FN_GRPC_PORT", "70000")]);
        let _: u16 = reader.get("FN_PORT", "8080");
        let _: u16 = reader.get("FN_GRPC_PORT", "9190");
        let mistakes = reader.finish(&[]).unwrap_err();
        let texts: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "FN_PORT is 'http': use a port from 0 to 65535",
                "FN_GRPC_PORT is '70000': use a port from 0 to 65535"
            ]
        );
    }

    #[test]
    fn empty_counts_as_unset() {
        assert_eq!(reader(&[("FN_PORT", "")]).get::<u16>("FN_PORT", "8080"), 8080);
    }

    #[test]
    fn a_value_may_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "8123\n").unwrap();
        let mut reader = reader(&[("FN_PORT_FILE", file.path().to_str().unwrap())]);
        assert_eq!(reader.get::<u16>("FN_PORT", "8080"), 8123);
    }

    #[test]
    fn a_misspelt_variable_is_told_what_it_may_have_meant() {
        let warnings =
            reader(&[("FN_PROT", "1"), ("FN_FREEZE_IDLE_MSECS", "50"), ("OTHER", "x")]).finish(&[]).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().any(|text| text.contains("did you mean FN_PORT?")), "{warnings:?}");
        assert!(warnings.iter().any(|text| text.contains("not honoured yet")), "{warnings:?}");
    }

    #[test]
    fn a_variable_of_another_node_type_is_no_reason_to_warn() {
        assert_eq!(reader(&[("FN_NPM_ADDRESS", "h:1")]).finish(&[]).unwrap(), Vec::<String>::new());
    }
}
