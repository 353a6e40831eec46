//! What a plugin is given at its start.

use crate::{Error, Variable};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The values of the plugin's declared variables. (Logging needs no handle: use [`crate::tracing`].)
#[derive(Clone)]
pub struct Host {
    declared: &'static [Variable],
    values: BTreeMap<String, String>,
}

impl Host {
    pub(crate) fn new(
        declared: &'static [Variable],
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let defaults = declared.iter().filter_map(|variable| Some((variable.name, variable.default?)));
        let mut values: BTreeMap<_, _> =
            defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        values.extend(given.into_iter().filter(|(_, value)| !value.is_empty()));
        Self { declared, values }
    }

    /// A host for the unit tests of a plugin: these variables, and the defaults of the others.
    pub fn for_tests(declared: &'static [Variable], values: &[(&str, &str)]) -> Self {
        Self::new(declared, values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    /// The value of a declared variable, or its default. Empty counts as unset.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of a variable that must be there; otherwise the error that says so.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.variable(name).ok_or_else(|| {
            let declared = self.declared(name);
            let doc = declared.map_or("", |variable| variable.doc).trim_end_matches('.');
            let example = declared.and_then(|variable| variable.example);
            let example = example.map_or_else(String::new, |value| format!(", for example {name}={value}"));
            Error::config(format_args!("{name} is not set: set it ({doc}){example}"))
        })
    }

    /// The value of a variable as a number or anything else that parses; `what` says what it must be
    /// ("a number of mebibytes").
    pub fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Error> {
        let text = self.required(name)?.trim();
        text.parse().map_err(|_| self.misconfigured(name, format_args!("it must be {what}")))
    }

    /// The error for a variable whose value cannot be right: one sentence that names it, its value (unless that is
    /// secret) and `problem`, which should end with what to set.
    pub fn misconfigured(&self, name: &str, problem: impl fmt::Display) -> Error {
        match (self.variable(name), self.declared(name).is_some_and(|variable| variable.secret)) {
            (None, _) => Error::config(format_args!("{name} is not set: {problem}")),
            (Some(_), true) => Error::config(format_args!("{name}=*** is wrong: {problem}")),
            (Some(value), false) => Error::config(format_args!("{name}={value} is wrong: {problem}")),
        }
    }

    fn declared(&self, name: &str) -> Option<&'static Variable> {
        self.declared.iter().find(|variable| variable.name == name)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("variables", &self.values.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static VARIABLES: &[Variable] = &[
        Variable::required("A", "what A is").example("7"),
        Variable::optional("B", "what B is").default("5"),
        Variable::optional("C", "a password").secret(),
    ];

    #[test]
    fn a_variable_left_out_or_empty_holds_its_default() {
        let host = Host::for_tests(VARIABLES, &[("A", ""), ("B", "")]);
        assert_eq!((host.variable("A"), host.variable("B")), (None, Some("5")));
        assert_eq!(host.parsed::<u64>("B", "a number"), Ok(5));
    }

    #[test]
    fn an_error_names_the_variable_its_value_and_the_fix() {
        let host = Host::for_tests(VARIABLES, &[("B", "x"), ("C", "hunter2")]);
        let error = host.required("A").unwrap_err();
        assert_eq!(error.to_string(), "A is not set: set it (what A is), for example A=7");
        let error = host.parsed::<u64>("B", "a number").unwrap_err();
        assert_eq!(error.to_string(), "B=x is wrong: it must be a number");
        let error = host.misconfigured("C", "it must be longer");
        assert_eq!(error.to_string(), "C=*** is wrong: it must be longer");
        assert!(error.is_config() && !format!("{host:?}").contains("hunter2"));
    }
}
