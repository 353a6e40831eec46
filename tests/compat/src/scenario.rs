//! Scenario files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A conversation: what a client sends, and what a compatible server answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What it is about, in one line.
    pub title: String,
    /// Who depends on this.
    pub why: String,
    /// How and why we answer otherwise than the original, where a client could notice.
    #[serde(default)]
    pub differs: Option<String>,
    /// What the target must have for it: `image`.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The conversation.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// What not every target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The name of a function image that it can run.
    Image,
}

/// One request and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Why this step, where the request does not say it.
    #[serde(default)]
    pub name: Option<String>,
    /// Method and path, or method and whole address: `GET /v2/apps?name=x`, `POST {{endpoint}}`.
    pub send: String,
    /// Who is asked, where `send` has no address.
    #[serde(default)]
    pub to: Place,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Request body.
    #[serde(default)]
    pub body: Option<String>,
    /// How often it is sent, with `{{n}}` counting from 001.
    #[serde(default = "once")]
    pub repeat: u32,
    /// What the target must have for this step.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The answer's status; it and the next four are an [`Expectation`].
    pub status: u16,
    /// Headers of the answer.
    #[serde(default)]
    pub answer_headers: BTreeMap<String, String>,
    /// The answer's body, byte for byte.
    #[serde(default)]
    pub answer: Option<String>,
    /// The answer's body as JSON.
    #[serde(default)]
    pub json: Option<String>,
    /// The message of an error.
    #[serde(default)]
    pub message: Option<String>,
    /// Other answers that are as good: the original's, mostly.
    #[serde(default)]
    pub either: Vec<Expectation>,
}

fn once() -> u32 {
    1
}

/// The role that a request is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The management API.
    #[default]
    Api,
    /// The load balancer, or the full node.
    Lb,
}

/// What an answer must look like. The texts are patterns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The HTTP status.
    pub status: u16,
    /// Headers that must be there, each with exactly one such value; `<none>` for one that must not be.
    #[serde(default)]
    pub answer_headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    #[serde(default)]
    pub answer: Option<String>,
    /// The body as JSON, whatever the order of its fields.
    #[serde(default)]
    pub json: Option<String>,
    /// Short for the body and content type of an error with this message.
    #[serde(default)]
    pub message: Option<String>,
}

/// Reads a scenario.
///
/// # Errors
/// A sentence that names the file and what is wrong in it.
pub fn read(path: &Path) -> Result<Scenario, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut scenario: Scenario =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    scenario.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    scenario.check().map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(scenario)
}

/// Reads all scenarios of a directory, in the order of their names.
///
/// # Errors
/// A sentence that names the file and what is wrong in it, or that there is none.
pub fn load(directory: &Path) -> Result<Vec<Scenario>, String> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    if files.is_empty() {
        return Err(format!("{} has no scenario (*.toml)", directory.display()));
    }
    files.iter().map(|file| read(file)).collect()
}

impl Scenario {
    fn check(&self) -> Result<(), String> {
        for (number, step) in (1..).zip(&self.steps) {
            step.check().map_err(|why| format!("step {number} ({}): {why}", step.send))?;
        }
        Ok(())
    }
}

impl Step {
    /// The answer that is expected of a server of ours.
    #[must_use]
    pub fn expectation(&self) -> Expectation {
        Expectation {
            status: self.status,
            answer_headers: self.answer_headers.clone(),
            answer: self.answer.clone(),
            json: self.json.clone(),
            message: self.message.clone(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if !self.send.contains(' ') {
            return Err("`send` must be a method and a path".to_owned());
        }
        for expectation in std::iter::once(&self.expectation()).chain(&self.either) {
            let bodies = [&expectation.answer, &expectation.json, &expectation.message];
            if bodies.into_iter().flatten().count() > 1 {
                return Err("only one of `answer`, `json` and `message` can be expected".to_owned());
            }
            for pattern in bodies.into_iter().flatten().chain(expectation.answer_headers.values()) {
                crate::pattern::check(pattern)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scenario, String> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }

    const HEAD: &str = "title = 'a'\nwhy = 'b'\n[[step]]\nsend = 'GET /version'\nstatus = 200\n";

    #[test]
    fn a_step_may_have_alternatives() {
        let scenario = parse(&format!("{HEAD}[[step.either]]\nstatus = 404\nmessage = 'x'\n")).unwrap();
        assert_eq!(scenario.steps[0].either[0].message.as_deref(), Some("x"));
    }

    #[test]
    fn mistakes_in_a_file_are_not_taken_for_expectations() {
        for wrong in ["status_code = 3", "answer = '<thing>'", "answer = 'a'\nmessage = 'b'", "to = 'runner'"]
        {
            assert!(parse(&format!("{HEAD}{wrong}\n")).is_err(), "{wrong}");
        }
    }
}
