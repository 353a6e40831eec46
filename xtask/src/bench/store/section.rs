//! What the page says of writes and reads.

use std::fmt::Write as _;

use super::{CLIENTS, Measured, Operation, ROUND, Rounds};
use crate::bench::databases::Kind;
use crate::bench::page::{self, Section, medians};
use crate::bench::statistics::median;

pub(super) fn render(count: usize, all: &Rounds) -> Section {
    let mut text = format!(
        "{CLIENTS} clients at the same time, in closed loops: each makes functions, changes a function that is its own \
         alone, or reads that by its id. PostgreSQL and MariaDB are servers on this machine whose commits are on the \
         disk when they are answered, reached by the default number of connections; SQLite is a file, synchronous = \
         FULL. {count} rounds of {} ms each, in turn; medians.\n",
        ROUND.as_millis()
    );
    table(&mut text, "Through the store, in this process", &all.in_process);
    table(&mut text, "By requests to an API node (`POST`, `PUT`, `GET /v2/fns`)", &all.by_request);
    one_commit(&mut text, all);
    Section { title: page::STORE, text }
}

fn table(text: &mut String, what: &str, all: &[Measured]) {
    let _ = write!(
        text,
        "\n{what}:\n\n| database | operation | per second | p50 ms | p99 ms |\n| --- | --- | ---: | ---: | ---: |\n"
    );
    for Measured { kind, operation, rounds } in all {
        let [calls, p50, p99] = medians(rounds);
        let _ = writeln!(text, "| {kind} | {operation} | {calls:.0} | {p50:.2} | {p99:.2} |");
    }
}

fn one_commit(text: &mut String, all: &Rounds) {
    let creates = |of: &[Measured]| {
        let found = of.iter().find(|of| of.kind == Kind::Sqlite && of.operation == Operation::Create);
        found.map(|found| found.rounds.clone()).unwrap_or_default()
    };
    let ours = creates(&all.in_process);
    let ratio = ours.iter().zip(&all.one_commit).map(|(ours, peer)| ours.calls_per_second / peer);
    let _ = write!(
        text,
        "\nGrouped commits on SQLite, beside a plain loop that writes the same rows into the same tables on the same \
         file system with the same durability, and commits each by itself:\n\n| | per second |\n| --- | ---: |\n\
         | create, through the store | {:.0} |\n| one commit a write | {:.0} |\n| ratio | {:.1} |\n\nTarget: ≥ 10.\n",
        median(ours.iter().map(|figures| figures.calls_per_second)),
        median(all.one_commit.iter().copied()),
        median(ratio)
    );
}
