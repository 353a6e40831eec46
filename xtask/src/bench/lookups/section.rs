//! What the page says of lookups.

use std::fmt::Write as _;
use std::time::Duration;

use super::Measured;
use super::cost::{Hits, TASKS};
use crate::bench::page::{self, Section};
use crate::bench::statistics::{median, milliseconds, percentile};

pub(super) fn render(all: &[Measured]) -> Section {
    let mut text = String::new();
    cached(&mut text, all);
    asked(&mut text, all);
    in_force(&mut text, all);
    Section { title: page::LOOKUPS, text }
}

fn cached(text: &mut String, all: &[Measured]) {
    let _ = write!(
        text,
        "What a load balancer's cache costs a call, which looks up its function and that function's app; the cache \
         listens for changes at an API node meanwhile. Medians of {} rounds on each database's API node (which a hit \
         does not ask).\n\n\
         | tasks at once | one lookup, ns of one core | both, p50 ns | both, p99 ns |\n| ---: | ---: | ---: | ---: |\n",
        all.first().map_or(0, |first| first.alone.len())
    );
    for tasks in [1, TASKS] {
        let of = |measured: &'_ Measured| {
            if tasks == 1 { measured.alone.clone() } else { measured.hammered.clone() }
        };
        let middle = |figure: fn(&Hits) -> f64| median(all.iter().flat_map(of).map(|hits| figure(&hits)));
        let _ = writeln!(
            text,
            "| {tasks} | {:.0} | {:.0} | {:.0} |",
            middle(|hits| hits.per_lookup_ns),
            middle(|hits| hits.pair_p50.as_nanos() as f64),
            middle(|hits| hits.pair_p99.as_nanos() as f64)
        );
    }
    text.push_str("\nTarget: one lookup ≤ 1000 ns.\n");
}

fn asked(text: &mut String, all: &[Measured]) {
    text.push_str(
        "\nWhat is not cached is asked of an API node over HTTP (functions and apps in turn, one after the other):\n\n\
         | database | p50 ms | p99 ms |\n| --- | ---: | ---: |\n",
    );
    for Measured { kind, asked, .. } in all {
        let _ =
            writeln!(text, "| {kind} | {:.2} | {:.2} |", milliseconds(asked.p50), milliseconds(asked.p99));
    }
}

fn in_force(text: &mut String, all: &[Measured]) {
    let count = all.first().map_or(0, |first| first.other_node.len());
    let _ = write!(
        text,
        "\nFrom the answer to a `PUT /v2/fns/…` until a lookup at the load balancer returns the change; the function is \
         looked up every millisecond. {count} changes each, made at the API node that the load balancer is connected \
         to, and at another one on the same database:\n\n\
         | database | changed at | p50 ms | p99 ms | slowest ms |\n| --- | --- | ---: | ---: | ---: |\n"
    );
    for Measured { kind, same_node, other_node, .. } in all {
        for (place, took) in [("the same node", same_node), ("another node", other_node)] {
            let at = |percent| milliseconds(percentile(took, percent));
            let slowest = milliseconds(took.last().copied().unwrap_or(Duration::ZERO));
            let _ = writeln!(text, "| {kind} | {place} | {:.1} | {:.1} | {slowest:.1} |", at(50), at(99));
        }
    }
    text.push_str("\nTarget: ≤ 250 ms.\n");
}
