//! schemathesis against real API nodes: hostile requests made from the document that each node serves. One node is open
//! to everyone, one checks tokens.

use std::path::Path;
use std::time::{Duration, Instant};

use remuda_harness::daemons::Daemons;
use remuda_harness::{Cluster, process};
use tokio::process::Command;

use crate::Failure;

mod environment;
mod memory;
mod words;

use words::Words;

/// A node that serves everyone.
const OPEN: &str = "open";
/// A node that checks tokens.
const GUARDED: &str = "guarded";
/// How much of a node's log is shown when something was found.
const LOG_LINES_SHOWN: usize = 50;
/// What it may take beyond the time that it was given: installing, starting, shrinking what fails.
const GRACE: Duration = Duration::from_secs(240);
/// A request that is not answered within this is a failure.
const REQUEST_TIMEOUT_S: &str = "20";
/// A run that tries less than this has tried nothing: the document was not understood.
const LEAST_OPERATIONS: u64 = 25;
const LEAST_CASES: u64 = 500;

/// How hard to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Where chance starts; the same seed makes the same requests.
    pub(crate) seed: u64,
    /// How many requests to make of each operation in each phase.
    pub(crate) examples: u32,
    /// How long to go on with one node; `None`: once through.
    pub(crate) time: Option<Duration>,
}

/// What became of one node.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// `open` or `guarded`.
    pub(crate) node: &'static str,
    /// How many operations were tried.
    pub(crate) operations: u64,
    /// How many requests or chains of requests were made.
    pub(crate) cases: u64,
    /// The most memory that the node used.
    pub(crate) peak_mb: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Tries both nodes; fails with the first that fails. `daemons` are built if they are not given.
pub(crate) async fn run(effort: Effort, daemons: Option<&Daemons>) -> Result<Vec<Tried>, Failure> {
    let program = environment::schemathesis().await?;
    let mut tried = Vec::new();
    for node in [OPEN, GUARDED] {
        let one = attempt(node, &program, effort, daemons).await?;
        println!(
            "    {node} node: {} requests to {} operations in {:.0} s, at most {} MiB",
            one.cases,
            one.operations,
            one.took.as_secs_f64(),
            one.peak_mb
        );
        tried.push(one);
    }
    Ok(tried)
}

async fn attempt(
    node: &'static str,
    program: &Path,
    effort: Effort,
    daemons: Option<&Daemons>,
) -> Result<Tried, Failure> {
    let mut builder = Cluster::builder().api();
    if node == GUARDED {
        // It is told that load balancers could not read it like this. There are none.
        builder = builder.env("api", "FN_AUTH", "token").allow_log("with FN_AUTH=token load balancers read");
    }
    if let Some(daemons) = daemons {
        builder = builder.daemons(daemons.clone());
    }
    let mut cluster = builder.start().await?;
    match trial(node, &mut cluster, program, effort).await {
        Ok(tried) => {
            // Fails where the node complained in its log, or does not end well.
            cluster.shutdown().await?;
            Ok(tried)
        }
        Err(failure) => {
            println!("--- log of the {node} node, its end ---\n{}", end_of(&cluster.node("api").log()));
            // What was found counts; how the node ends does not any more.
            drop(cluster.stop().await);
            Err(failure)
        }
    }
}

/// The last lines of a log.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

async fn trial(
    node: &'static str,
    cluster: &mut Cluster,
    program: &Path,
    effort: Effort,
) -> Result<Tried, Failure> {
    let mut command = Command::new(program);
    command.current_dir(cluster.directory()).args(arguments(effort));
    command.arg(format!("{}/openapi.json", cluster.node("api").http()));
    if node == GUARDED {
        let token = cluster.remuda("api", &["token", "create", "--role", "admin", "--all-apps"]).await?;
        command.args(["--header", &format!("Authorization:Bearer {}", token.trim())]);
    }
    let pid = cluster.node("api").pid().ok_or_else(|| Failure::because("the API node has ended"))?;
    let start = Instant::now();
    let within = effort.time.unwrap_or_default() + GRACE;
    let output = tokio::select! {
        output = process::output(&mut command, within) => output?,
        failure = memory::outgrown(pid) => return Err(failure),
    };
    let took = start.elapsed();
    let peak_mb = memory::peak_mb(pid)?;
    let words = Words::of(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        println!("{}{}", words.text, String::from_utf8_lossy(&output.stderr));
        return Err(Failure::because(format!("schemathesis found something on the {node} node; see above")));
    }
    if words.operations < LEAST_OPERATIONS || words.cases < LEAST_CASES {
        println!("{}", words.text);
        return Err(Failure::because(format!("schemathesis tried next to nothing on the {node} node")));
    }
    Ok(Tried { node, operations: words.operations, cases: words.cases, peak_mb, took })
}

fn arguments(effort: Effort) -> Vec<String> {
    // Left out: `positive_data_acceptance`, as the rules know more than a document can say, so that what it allows may
    // be refused; `ensure_resource_availability`, which takes a function for lost whose app was deleted in between.
    let fixed = [
        "run",
        "--no-color",
        "--checks=all",
        "--exclude-checks=positive_data_acceptance,ensure_resource_availability",
        "--phases=coverage,fuzzing,stateful",
        "--continue-on-failure",
        "--generation-database=none",
        "--warnings=off",
    ];
    let mut all: Vec<String> = fixed.map(str::to_owned).into();
    all.push(format!("--request-timeout={REQUEST_TIMEOUT_S}"));
    all.push(format!("--seed={}", effort.seed));
    all.push(format!("--max-examples={}", effort.examples));
    if let Some(time) = effort.time {
        all.push(format!("--max-time={}", time.as_secs()));
    }
    all
}
