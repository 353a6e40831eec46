//! What came of a replay.

use std::fmt;

/// Whether a server answered as the scenarios say.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One for each scenario, in the order they were played.
    pub scenarios: Vec<ScenarioReport>,
}

/// What came of one scenario.
#[derive(Debug, Clone)]
pub struct ScenarioReport {
    /// Its file's name without the ending.
    pub name: String,
    /// Its title.
    pub title: String,
    /// How it went.
    pub outcome: Outcome,
    /// Steps that got another answer of those that are as good: the original's, mostly.
    pub otherwise: usize,
    /// Steps that were left out because the target lacks what they need.
    pub left_out: usize,
}

/// How a scenario went.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Every answer was as expected.
    Same,
    /// These were not.
    Differs(Vec<Difference>),
    /// The target lacks what the scenario needs.
    LeftOut(&'static str),
}

/// A step that was answered otherwise than expected.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The step's number, from 1.
    pub step: usize,
    /// The step's own name, if it has one.
    pub name: Option<String>,
    /// Method and address.
    pub request: String,
    /// What differs, with what was expected and what came.
    pub lines: Vec<String>,
}

impl Report {
    /// Whether every answer was as expected. What was left out does not count.
    #[must_use]
    pub fn is_same(&self) -> bool {
        !self.scenarios.iter().any(|scenario| matches!(scenario.outcome, Outcome::Differs(_)))
    }

    /// How many scenarios were left out, in whole or in part.
    #[must_use]
    pub fn left_out(&self) -> usize {
        let is_whole = |scenario: &&ScenarioReport| {
            scenario.left_out == 0 && !matches!(scenario.outcome, Outcome::LeftOut(_))
        };
        self.scenarios.len() - self.scenarios.iter().filter(is_whole).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for scenario in &self.scenarios {
            writeln!(formatter, "{scenario}")?;
        }
        let differing = self.scenarios.iter().filter(|s| matches!(s.outcome, Outcome::Differs(_))).count();
        let (all, left_out) = (self.scenarios.len(), self.left_out());
        write!(formatter, "{all} scenarios: {differing} differ, {left_out} left out in whole or in part")
    }
}

impl fmt::Display for ScenarioReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, title, outcome, otherwise, left_out } = self;
        match outcome {
            Outcome::Same => write!(formatter, "same     {name}: {title}")?,
            Outcome::LeftOut(what) => write!(formatter, "left out {name}: {title} (needs {what})")?,
            Outcome::Differs(_) => write!(formatter, "DIFFERS  {name}: {title}")?,
        }
        if *otherwise > 0 {
            write!(formatter, " ({otherwise} answers are the original's)")?;
        }
        if *left_out > 0 {
            write!(formatter, " ({left_out} steps left out)")?;
        }
        if let Outcome::Differs(differences) = outcome {
            for difference in differences {
                write!(formatter, "\n{difference}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        write!(formatter, "    step {}{name}: {}", self.step, self.request)?;
        for line in self.lines.iter().flat_map(|text| text.lines()) {
            write!(formatter, "\n        {line}")?;
        }
        Ok(())
    }
}
