//! Writes and reads per second of each database: through the store itself, and by requests to an API node.

use std::fmt;
use std::time::Duration;

use super::databases::{Databases, Kind};
use super::load::Figures;
use super::{Bench, page};
use crate::Failure;
use crate::step::Steps;

mod by_request;
mod in_process;
mod one_commit;
mod section;

/// Clients at the same time, as in TARGETS.
const CLIENTS: usize = 64;
/// How long each measurement of a round takes.
const ROUND: Duration = Duration::from_millis(600);

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// Each client makes functions.
    Create,
    /// Each client changes a function, another one than the other clients.
    Change,
    /// Each client reads a function by its id.
    Read,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Create, Self::Change, Self::Read];
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Read => "read",
        })
    }
}

/// The rounds of one operation on one database.
struct Measured {
    kind: Kind,
    operation: Operation,
    rounds: Vec<Figures>,
}

/// Everything, with rounds in the order in which they were taken.
struct Rounds {
    in_process: Vec<Measured>,
    by_request: Vec<Measured>,
    /// Commits per second of SQLite with one write in each.
    one_commit: Vec<f64>,
}

fn nothing_yet() -> Vec<Measured> {
    let all = Kind::ALL.into_iter().flat_map(|kind| Operation::ALL.map(|operation| (kind, operation)));
    all.map(|(kind, operation)| Measured { kind, operation, rounds: Vec::new() }).collect()
}

pub(crate) async fn measure(
    bench: &Bench,
    databases: &Databases,
    steps: &mut Steps,
) -> Result<page::Section, Failure> {
    let mut all = Rounds { in_process: nothing_yet(), by_request: nothing_yet(), one_commit: Vec::new() };
    let (options, built) = (&bench.options, &bench.built);
    let work = in_process::measure(options.rounds, databases, &mut all);
    steps.run("store", "64 clients in this process, beside one commit a write", work).await?;
    let work = by_request::measure(options.rounds, databases, built, &mut all.by_request);
    steps.run("store by requests", "64 connections to an API node of each", work).await?;
    Ok(section::render(options.rounds, &all))
}
