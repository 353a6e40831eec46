//! `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::Figures;
use super::statistics::{median, milliseconds};
use super::{HotRounds, Options, cold};

/// The page. Every ratio is the median over the rounds of ours divided by the peer's in the same round.
pub(crate) fn render(
    machine: &[(&'static str, String)],
    options: &Options,
    hot: &[HotRounds],
    cold: &cold::Starts,
) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`; do not edit. Machines are shared and noisy: read the ratios, \
         not the absolute figures.\n\n## Machine\n\n| | |\n| --- | --- |\n",
    );
    for (what, value) in machine {
        line(&mut page, &format!("| {what} | {value} |"));
    }
    hot_section(&mut page, options, hot);
    cold_section(&mut page, cold);
    page
}

fn hot_section(page: &mut String, options: &Options, hot: &[HotRounds]) {
    let _ = write!(
        page,
        "\n## Hot path\n\nClient → LB → runner → function in a container, mutual TLS between LB and runner, group from \
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
        line(page, &text);
    }
    line(page, "\nTarget of the first stand: calls ≥ 0.5, p50 ≤ 2.5, p99 ≤ 1.");
}

fn medians(rounds: &[Figures]) -> [f64; 3] {
    [
        median(rounds.iter().map(|figures| figures.calls_per_second)),
        median(rounds.iter().map(|figures| milliseconds(figures.p50))),
        median(rounds.iter().map(|figures| milliseconds(figures.p99))),
    ]
}

fn cold_section(page: &mut String, cold: &cold::Starts) {
    let middle = |durations: &[Duration]| median(durations.iter().map(|duration| milliseconds(*duration)));
    let ratio =
        cold.ours.iter().zip(&cold.docker_run).map(|(ours, peer)| ours.as_secs_f64() / peer.as_secs_f64());
    let _ = write!(
        page,
        "\n## Cold start\n\nThe first call of a function that was never called, through LB and runner, until its whole \
         answer is there; beside `docker run --detach` of the same image, until the command returns (nobody is served \
         by then). {} of each, in turn.\n\n| | p50 ms |\n| --- | ---: |\n\
         | first call | {:.0} |\n| `docker run` | {:.0} |\n| ratio | {:.2} |\n\nTarget: ≤ 0.35.\n",
        cold.ours.len(),
        middle(&cold.ours),
        middle(&cold.docker_run),
        median(ratio)
    );
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
        let options = Options { rounds: 3, seconds: 1, cold_starts: 1, print: true };
        let ours = vec![figures(100.0, 10, 20), figures(300.0, 30, 60), figures(200.0, 20, 40)];
        let nginx = vec![figures(200.0, 5, 20), figures(300.0, 15, 60), figures(800.0, 10, 40)];
        let hot = [HotRounds { connections: 8, ours, nginx }];
        let milliseconds = |number| vec![Duration::from_millis(number)];
        let cold = cold::Starts { ours: milliseconds(50), docker_run: milliseconds(200) };
        let page = render(&[("cores", "2".to_owned())], &options, &hot, &cold);
        assert!(
            page.contains("| 8 | 200 | 20.00 | 40.00 | 300 | 10.00 | 40.00 | 0.50 | 2.00 | 1.00 |"),
            "{page}"
        );
        assert!(page.contains("| ratio | 0.25 |"), "{page}");
    }
}
