//! The values of a plugin's declared variables.

use remuda_plugin_api::abi::Setting;
use remuda_plugin_api::manifest::{DeclaredVariable, Manifest};
use std::collections::BTreeMap;

/// Takes the declared variables, and nothing else, out of the environment. The error has one sentence for each variable
/// that is required and missing.
pub(crate) fn settings(
    manifest: &Manifest,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<Setting>, Vec<String>> {
    let (mut settings, mut problems) = (Vec::new(), Vec::new());
    for variable in &manifest.variables {
        // Empty counts as unset.
        let given = environment.get(&variable.name).filter(|value| !value.is_empty());
        match given.or(variable.default.as_ref()) {
            Some(value) => {
                settings.push(Setting { name: variable.name.clone().into(), value: value.clone().into() })
            }
            None if variable.required => problems.push(missing(variable)),
            None => {}
        }
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn missing(variable: &DeclaredVariable) -> String {
    let DeclaredVariable { name, doc, example, .. } = variable;
    let doc = doc.trim_end_matches('.');
    let example = example.as_ref().map_or_else(String::new, |value| format!(", for example {name}={value}"));
    format!("{name} is not set: set it ({doc}){example}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, default: Option<&str>, required: bool) -> DeclaredVariable {
        DeclaredVariable {
            name: name.to_owned(),
            doc: format!("What {name} is."),
            default: default.map(str::to_owned),
            example: Some("7".to_owned()),
            required,
            secret: false,
        }
    }
    fn manifest(variables: Vec<DeclaredVariable>) -> Manifest {
        let text = |text: &str| text.to_owned();
        Manifest { name: text("p"), version: text("1.0.0"), kinds: vec![], api: text("1.0.0"), variables }
    }
    fn pairs(settings: &[Setting]) -> Vec<(&str, &str)> {
        settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str())).collect()
    }

    #[test]
    fn only_declared_variables_reach_the_plugin_with_defaults_for_what_is_left_out() {
        let manifest = manifest(vec![
            variable("A", None, true),
            variable("B", Some("5"), false),
            variable("C", Some("5"), false),
            variable("D", None, false),
        ]);
        let environment = [("A", "1"), ("B", ""), ("C", "9"), ("HOME", "/root")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(pairs(&settings(&manifest, &environment).unwrap()), [("A", "1"), ("B", "5"), ("C", "9")]);
    }

    #[test]
    fn every_missing_variable_is_named_at_once() {
        let manifest = manifest(vec![variable("A", None, true), variable("B", None, true)]);
        let problems = settings(&manifest, &BTreeMap::new()).unwrap_err();
        assert_eq!(
            problems,
            [
                "A is not set: set it (What A is), for example A=7",
                "B is not set: set it (What B is), for example B=7"
            ]
        );
    }
}
