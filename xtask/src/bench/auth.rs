//! What authorisation adds to a request: reading a function from an API node that asks for tokens, beside one that does
//! not.

use std::fmt::Write as _;
use std::time::Duration;

use remuda_harness::{Cluster, daemons};

use super::databases::{api_nodes, functions_by};
use super::load::{self, Figures, Target};
use super::page::medians;
use super::statistics::median;
use super::{Bench, http, page};
use crate::Failure;
use crate::step::Steps;

/// The numbers of connections that are measured.
const CONNECTIONS: [usize; 2] = [1, 64];
/// How long each measurement of a round takes.
const ROUND: Duration = Duration::from_millis(800);

/// What was measured at one number of connections, round by round.
struct Rounds {
    connections: usize,
    with_token: Vec<Figures>,
    open: Vec<Figures>,
}

pub(crate) async fn measure(bench: &Bench, steps: &mut Steps) -> Result<page::Section, Failure> {
    let work = rounds(bench.options.rounds, &bench.built);
    let all = steps.run("authorisation", "two API nodes on SQLite", work).await?;
    Ok(section(bench.options.rounds, &all))
}

async fn rounds(count: usize, built: &daemons::Daemons) -> Result<Vec<Rounds>, Failure> {
    let open = api_nodes(built, 1, &[]).await?;
    let mut closed = api_nodes(built, 1, &[("FN_AUTH", "token")]).await?;
    let arguments = ["token", "create", "--role", "admin", "--all-apps"];
    let token = closed.remuda("api", &arguments).await?;
    let open_target = target(&open, None).await?;
    let closed_target = target(&closed, Some(token.trim())).await?;
    let mut all = Vec::new();
    for connections in CONNECTIONS {
        let mut rounds = Rounds { connections, with_token: Vec::new(), open: Vec::new() };
        for round in 1..=count {
            let a = load::run(&closed_target, connections, ROUND).await?;
            let b = load::run(&open_target, connections, ROUND).await?;
            println!("    round {round}, {connections} connections: with a token {a}; open {b}");
            rounds.with_token.push(a);
            rounds.open.push(b);
        }
        all.push(rounds);
    }
    open.stop().await?;
    closed.stop().await?;
    Ok(all)
}

async fn target(cluster: &Cluster, token: Option<&str>) -> Result<Target, Failure> {
    let api = cluster.api();
    let api = token.map_or(api.clone(), |token| api.with_token(token));
    let (_, functions) = functions_by(&api, 1).await?;
    let path = format!("/v2/fns/{}", functions.into_iter().next().unwrap_or_default());
    let header = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    Target::made(api.base(), move |address| http::request("GET", &path, address, &header, b""))
}

fn section(count: usize, all: &[Rounds]) -> page::Section {
    let mut text = format!(
        "`GET /v2/fns/{{id}}` at an API node with FN_AUTH=token, as an administrator, beside one without; both on SQLite, \
         in clear. {count} rounds of {} ms each, in turn; medians.\n\n\
         | connections | with a token: reads/s | p50 ms | p99 ms | open: reads/s | p50 ms | p99 ms | reads ÷ | p50 ÷ |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        ROUND.as_millis()
    );
    for Rounds { connections, with_token, open } in all {
        let [calls, p50, p99] = medians(with_token);
        let [open_calls, open_p50, open_p99] = medians(open);
        let ratio = |figure: fn(&Figures) -> f64| {
            median(with_token.iter().zip(open).map(|(ours, peer)| figure(ours) / figure(peer)))
        };
        let _ = writeln!(
            text,
            "| {connections} | {calls:.0} | {p50:.2} | {p99:.2} | {open_calls:.0} | {open_p50:.2} | {open_p99:.2} \
             | {:.2} | {:.2} |",
            ratio(|figures| figures.calls_per_second),
            ratio(|figures| figures.p50.as_secs_f64())
        );
    }
    page::Section { title: page::AUTH, text }
}
