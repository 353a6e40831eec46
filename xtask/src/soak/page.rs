//! `docs/soak.md`: a section for each trial, of its last run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use remuda_core::Timestamp;

use super::outage::Outage;
use crate::schemathesis::Tried;

const HEAD: &str =
    "# Soak\n\nWritten by `cargo xtask soak`; do not edit. The last run of each trial that found nothing.\n";
const SECTION: &str = "\n## ";

/// The time, to the second.
pub(super) fn now() -> String {
    let now = Timestamp::from(SystemTime::now()).to_string();
    now.get(..19).unwrap_or(&now).replace('T', " ") + " UTC"
}

/// The section about hostile requests.
pub(super) fn schemathesis(command: &str, when: &str, tried: &[Tried]) -> String {
    let mut text = format!(
        "Hostile requests to a real API node on SQLite, made by schemathesis from the document that the node serves: no \
         5xx, no crash, no warning in the node's log, every answer as the document says, what the document rules out \
         refused, no way around a token, memory within its bound. \
         Two of schemathesis's checks are left out: `positive_data_acceptance` and `ensure_resource_availability` (see \
         xtask/src/schemathesis.rs).\n\n`{command}`, {when}\n\n\
         | node | operations | requests | seconds | peak MiB | found |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for one in tried {
        text += &format!(
            "| {} | {} | {} | {:.0} | {} | 0 |\n",
            one.node,
            one.operations,
            one.cases,
            one.took.as_secs_f64(),
            one.peak_mb
        );
    }
    text
}

/// The section about parts that are away.
pub(super) fn outage(command: &str, when: &str, seen: &[Outage]) -> String {
    let mut text = format!(
        "Two API nodes on PostgreSQL, a load balancer, a node pool manager and a runner over mutual TLS; each part is killed \
         and stays away, one after the other, while four known functions are called. No call may fail.\n\n`{command}`, \
         {when}\n\n| away | seconds | calls | failed | slowest ms |\n| --- | ---: | ---: | ---: | ---: |\n"
    );
    for one in seen {
        let (away, slowest) = (one.away.as_secs(), one.slowest.as_secs_f64() * 1000.0);
        text += &format!("| {} | {away} | {} | {} | {slowest:.0} |\n", one.part, one.calls, one.failed);
    }
    text
}

/// The page with a section of this name, in the order of their names.
pub(super) fn replaced(page: &str, name: &str, section: &str) -> String {
    let mut sections: BTreeMap<&str, &str> = BTreeMap::new();
    for old in page.split(SECTION).skip(1) {
        let (name, text) = old.split_once('\n').unwrap_or((old, ""));
        sections.insert(name, text.trim());
    }
    sections.insert(name, section.trim());
    let mut page = HEAD.to_owned();
    for (name, text) in sections {
        page += &format!("{SECTION}{name}\n\n{text}\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_section_replaces_its_last_run_and_leaves_the_others() {
        let one = replaced("", "b", "first\n");
        let two = replaced(&one, "a", "other\n\nmore\n");
        let three = replaced(&two, "b", "second\n");
        assert_eq!(three, format!("{HEAD}\n## a\n\nother\n\nmore\n\n## b\n\nsecond\n"));
    }

    #[test]
    fn the_figures_of_each_node_have_a_line() {
        let tried = Tried {
            node: "open",
            operations: 29,
            cases: 1745,
            peak_mb: 30,
            took: Duration::from_millis(9_800),
        };
        let text = schemathesis("cargo xtask soak schemathesis", "2026-01-01 00:00:00 UTC", &[tried]);
        assert!(text.contains("| open | 29 | 1745 | 10 | 30 | 0 |"), "{text}");
    }
}
