//! `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::time::Duration;

use super::calls::HotRounds;
use super::load::Figures;
use super::statistics::{median, milliseconds};
use super::{Options, cold};

/// The sections in the order of the page.
pub(crate) const HOT: &str = "Hot path";
pub(crate) const COLD: &str = "Cold start";
pub(crate) const STORE: &str = "Writes and reads";
pub(crate) const LISTING: &str = "Listing";
pub(crate) const LOOKUPS: &str = "Lookups";
pub(crate) const AUTH: &str = "Authorisation";
const ORDER: [&str; 6] = [HOT, COLD, STORE, LISTING, LOOKUPS, AUTH];

/// What was measured of one part.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// Everything below the title.
    pub(crate) text: String,
}

/// The page. Sections that were not measured stay as they are in the page from before.
pub(crate) fn render(machine: &[(&'static str, String)], before: &str, sections: Vec<Section>) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`; do not edit. Machines are shared and noisy: read the ratios, \
         not the absolute figures.\n\n## Machine\n\nOf the latest run; each section says when it was measured.\n\n\
         | | |\n| --- | --- |\n",
    );
    for (what, value) in machine {
        line(&mut page, &format!("| {what} | {value} |"));
    }
    let value = |what| machine.iter().find(|(name, _)| *name == what).map_or("", |(_, value)| value.as_str());
    for title in ORDER {
        let text = match sections.iter().find(|section| section.title == title) {
            Some(section) => {
                let (date, commit, processor) = (value("date"), value("commit"), value("processor"));
                format!("{}\n\nMeasured {date}, commit {commit}, {processor}.", section.text.trim())
            }
            None => section_of(before, title).to_owned(),
        };
        if !text.is_empty() {
            let _ = write!(page, "\n## {title}\n\n{text}\n");
        }
    }
    page
}

/// What a page says below a title.
fn section_of<'a>(page: &'a str, title: &str) -> &'a str {
    let mut parts = page.split("\n## ").skip(1);
    let found = parts.find_map(|part| part.strip_prefix(title)?.strip_prefix('\n'));
    found.unwrap_or_default().trim()
}

pub(crate) fn hot_section(options: &Options, hot: &[HotRounds]) -> Section {
    let mut page = String::new();
    let _ = write!(
        page,
        "Client → LB → runner → function in a container, mutual TLS between LB and runner, group from \
         the NPM, definitions from the API node; beside client → nginx → nginx → the same function as a process, \
         mutual TLS between the two nginx. Closed loop, a POST of 256 bytes a call, kept-alive connections. \
         {} rounds of {} s each, in turn; medians.\n\n\
         | connections | calls/s | p50 ms | p99 ms | nginx: calls/s | p50 ms | p99 ms | calls ÷ | p50 ÷ | p99 ÷ |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        options.rounds, options.seconds
    );
    for rounds in hot {
        let [calls, p50, p99] = medians(&rounds.ours);
        let [peer_calls, peer_p50, peer_p99] = medians(&rounds.nginx);
        let ratio = |figure: fn(&Figures) -> f64| {
            median(rounds.ours.iter().zip(&rounds.nginx).map(|(ours, peer)| figure(ours) / figure(peer)))
        };
        let ratios = [
            ratio(|figures| figures.calls_per_second),
            ratio(|figures| figures.p50.as_secs_f64()),
            ratio(|figures| figures.p99.as_secs_f64()),
        ];
        let text = format!(
            "| {} | {calls:.0} | {p50:.2} | {p99:.2} | {peer_calls:.0} | {peer_p50:.2} | {peer_p99:.2} \
             | {:.2} | {:.2} | {:.2} |",
            rounds.connections, ratios[0], ratios[1], ratios[2]
        );
        line(&mut page, &text);
    }
    line(&mut page, "\nTarget of the first stand: calls ≥ 0.5, p50 ≤ 2.5, p99 ≤ 1.");
    Section { title: HOT, text: page }
}

/// The medians of calls per second, and of p50 and p99 in milliseconds.
pub(crate) fn medians(rounds: &[Figures]) -> [f64; 3] {
    [
        median(rounds.iter().map(|figures| figures.calls_per_second)),
        median(rounds.iter().map(|figures| milliseconds(figures.p50))),
        median(rounds.iter().map(|figures| milliseconds(figures.p99))),
    ]
}

pub(crate) fn cold_section(cold: &cold::Starts) -> Section {
    let middle = |durations: &[Duration]| median(durations.iter().map(|duration| milliseconds(*duration)));
    let ratio =
        cold.ours.iter().zip(&cold.docker_run).map(|(ours, peer)| ours.as_secs_f64() / peer.as_secs_f64());
    let text = format!(
        "The first call of a function that was never called, through LB and runner, until its whole \
         answer is there; beside `docker run --detach` of the same image, until the command returns (nobody is served \
         by then). {} of each, in turn.\n\n| | p50 ms |\n| --- | ---: |\n\
         | first call | {:.0} |\n| `docker run` | {:.0} |\n| ratio | {:.2} |\n\nTarget: ≤ 0.35.\n",
        cold.ours.len(),
        middle(&cold.ours),
        middle(&cold.docker_run),
        median(ratio)
    );
    Section { title: COLD, text }
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls: f64, p50: u64, p99: u64) -> Figures {
        let (p50, p99) = (Duration::from_millis(p50), Duration::from_millis(p99));
        Figures { calls_per_second: calls, p50, p99, slowest: p99 }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let options = Options { parts: Vec::new(), rounds: 3, seconds: 1, cold_starts: 1, print: true };
        let ours = vec![figures(100.0, 10, 20), figures(300.0, 30, 60), figures(200.0, 20, 40)];
        let nginx = vec![figures(200.0, 5, 20), figures(300.0, 15, 60), figures(800.0, 10, 40)];
        let hot = hot_section(&options, &[HotRounds { connections: 8, ours, nginx }]).text;
        assert!(
            hot.contains("| 8 | 200 | 20.00 | 40.00 | 300 | 10.00 | 40.00 | 0.50 | 2.00 | 1.00 |"),
            "{hot}"
        );
        let milliseconds = |number| vec![Duration::from_millis(number)];
        let cold = cold::Starts { ours: milliseconds(50), docker_run: milliseconds(200) };
        let cold = cold_section(&cold).text;
        assert!(cold.contains("| ratio | 0.25 |"), "{cold}");
    }

    #[test]
    fn what_was_not_measured_stays_and_what_was_is_replaced() {
        let section = |title, text: &str| Section { title, text: text.to_owned() };
        let day = |date: &str| {
            [("date", date), ("commit", "c"), ("processor", "p")].map(|(k, v)| (k, v.to_owned()))
        };
        let first = render(&day("monday"), "", vec![section(COLD, "cold 1"), section(HOT, "hot 1")]);
        let second = render(&day("friday"), &first, vec![section(HOT, "hot 2"), section(AUTH, "auth 2")]);
        let sections = second.split_once("\n## Hot path").unwrap().1;
        let expected = "\n\nhot 2\n\nMeasured friday, commit c, p.\n\n## Cold start\n\ncold 1\n\n\
                        Measured monday, commit c, p.\n\n## Authorisation\n\nauth 2\n\n\
                        Measured friday, commit c, p.\n";
        assert_eq!(sections, expected);
        assert_eq!(render(&day("friday"), &second, Vec::new()), second);
    }
}
