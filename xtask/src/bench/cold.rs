//! Cold starts: the first call of a function that nobody has called, beside `docker run` of the same image.

use std::process::Stdio;
use std::time::{Duration, Instant};

use remuda_harness::{Api, AppId, Front, process};
use tokio::process::Command;

use crate::Failure;

const RUNS_WITHIN: Duration = Duration::from_secs(60);

/// Durations in the order in which they were taken, in turn.
pub(crate) struct Starts {
    /// From the request of the caller to the whole answer.
    pub(crate) ours: Vec<Duration>,
    /// `docker run --detach` from start to end: a container created and started, and nobody served yet.
    pub(crate) docker_run: Vec<Duration>,
}

pub(crate) async fn measure(
    api: &Api,
    front: &Front,
    app: &AppId,
    image: &str,
    count: usize,
) -> Result<Starts, Failure> {
    let mut starts = Starts { ours: Vec::new(), docker_run: Vec::new() };
    // The first of each is not counted: connections are made, and the image is read from the disk.
    for number in 0..=count {
        let function = api.create_function(app, &format!("cold-{number}"), image).await?;
        let start = Instant::now();
        let answer = front.invoke(&function, "").await?;
        let ours = start.elapsed();
        if answer.status != 200 {
            return Err(Failure::because(format!(
                "a cold call answered {}: {}",
                answer.status,
                answer.text()
            )));
        }
        let docker_run = docker_run(image).await?;
        if number > 0 {
            starts.ours.push(ours);
            starts.docker_run.push(docker_run);
        }
    }
    Ok(starts)
}

async fn docker_run(image: &str) -> Result<Duration, Failure> {
    let mut command = Command::new("docker");
    command.args(["run", "--detach", "--label", "remuda.bench", "--env", "PROBE_INIT=never"]);
    command.args(["--env", "FN_FORMAT=http-stream", "--env", "FN_LISTENER=unix:/lsnr.sock", image]);
    let start = Instant::now();
    let container = process::run(&mut command, RUNS_WITHIN).await?;
    let took = start.elapsed();
    let mut remove = Command::new("docker");
    process::run(remove.args(["rm", "--force", &container]).stderr(Stdio::null()), RUNS_WITHIN).await?;
    Ok(took)
}
