//! `cargo xtask up`: a whole platform on this machine, with two tenants, two groups and two runners.

use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;

use clap::Args;
use remuda_harness::{Cluster, FunctionId, Step, Tls, daemons, docker, images};

use crate::Failure;
use crate::interrupt::Interrupts;
use crate::step::Steps;

mod report;

/// Where the parts of the platform listen.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// End as soon as both functions have answered.
    #[arg(long)]
    once: bool,
    /// The address on which everything listens.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port of the management API.
    #[arg(long, default_value_t = 8080)]
    api_port: u16,
    /// Port of the load balancer.
    #[arg(long, default_value_t = 8081)]
    lb_port: u16,
    /// Port of the node pool manager.
    #[arg(long, default_value_t = 8083)]
    npm_port: u16,
    /// HTTP port of the runner of group blue.
    #[arg(long, default_value_t = 8082)]
    blue_port: u16,
    /// gRPC port of the runner of group blue.
    #[arg(long, default_value_t = 9190)]
    blue_grpc_port: u16,
    /// HTTP port of the runner of group green.
    #[arg(long, default_value_t = 8084)]
    green_port: u16,
    /// gRPC port of the runner of group green.
    #[arg(long, default_value_t = 9191)]
    green_grpc_port: u16,
}

/// The label that all containers of an `up` carry; its value tells which one.
const LABEL: &str = "remuda.up";

/// An app of the demonstration: its name, and the group that it is in.
const TENANTS: [(&str, &str); 2] = [("blue-app", "blue"), ("green-app", "green")];

/// A call that was made, and what came back.
pub(crate) struct Called {
    pub(crate) app: &'static str,
    pub(crate) group: &'static str,
    pub(crate) function: FunctionId,
    pub(crate) runner: String,
    pub(crate) container: String,
    pub(crate) answer: String,
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let mut interrupts = Interrupts::listen()?;
    let mut steps = Steps::default();
    let mut cluster = interrupts.or(prepare_and_start(&options, &mut steps)).await?;
    let outcome = interrupts.or(demonstrate(&mut cluster, &mut steps)).await;
    let outcome = match outcome {
        Ok(calls) => {
            report::print(&cluster, &calls);
            if !options.once {
                println!("\nRunning until Ctrl-C.");
                wait(&mut interrupts, &mut cluster).await
            } else {
                Ok(())
            }
        }
        Err(failure) => Err(failure),
    };
    println!("\n==> stopping");
    // A second Ctrl-C stops the hard way: the cluster is dropped.
    interrupts.or(async { Ok(cluster.stop().await?) }).await?;
    println!("    stopped: no process, container or file is left");
    outcome
}

async fn prepare_and_start(options: &Options, steps: &mut Steps) -> Result<Cluster, Failure> {
    steps.run("ports", "", async { options.require_free_ports() }).await?;
    steps.run("docker engine", "", engine()).await?;
    let note = "the first time takes some minutes; the compiler's own progress follows";
    let built = steps.run("build", note, async { Ok(daemons::build(&[]).await?) }).await?;
    steps.run("start", "API, LB, NPM with noop.so, two runners, mutual TLS", start(options, built)).await
}

async fn engine() -> Result<(), Failure> {
    docker::ensure(&|doing| println!("    {doing}")).await?;
    // An `up` that was killed could not clean up: do it now, for those whose process is gone.
    for owner in docker::label_values(LABEL).await? {
        if !owner_lives(&owner) {
            println!("    removing what an earlier run has left ({owner})");
            docker::remove_containers(&format!("{LABEL}={owner}")).await?;
        }
    }
    remove_abandoned_directories();
    Ok(())
}

/// The directory of a run that was killed, with its logs and certificates.
fn remove_abandoned_directories() {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_abandoned = name.starts_with("remuda-") && pid_of(&name).is_some() && !owner_lives(&name);
        if is_abandoned && std::fs::remove_dir_all(entry.path()).is_ok() {
            println!("    removed what an earlier run has left ({})", entry.path().display());
        }
    }
}

/// The label's value is the name of the cluster's directory, `remuda-<process id>-<random>`.
fn owner_lives(owner: &str) -> bool {
    pid_of(owner).is_some_and(|pid| PathBuf::from("/proc").join(pid.to_string()).is_dir())
}

fn pid_of(owner: &str) -> Option<u32> {
    owner.split('-').nth(1).and_then(|pid| pid.parse().ok())
}

async fn start(options: &Options, built: daemons::Daemons) -> Result<Cluster, Failure> {
    let text = |port: u16| port.to_string();
    let cluster = Cluster::builder()
        .interactive()
        .label_key(LABEL)
        .daemons(built)
        .api()
        .lb()
        .npm("noop")
        .runner("blue")
        .runner("green")
        .tls(Tls::SelfSigned)
        .env("*", "FN_LISTEN_HOST", options.listen.to_string())
        .env("*", "FN_LOG_LEVEL", "INFO")
        .env("api", "FN_PORT", text(options.api_port))
        .env("api", "FN_PUBLIC_LB_URL", format!("http://{}:{}", options.listen, options.lb_port))
        .env("lb", "FN_PORT", text(options.lb_port))
        .env("npm", "FN_PORT", text(options.npm_port))
        .env("blue", "FN_PORT", text(options.blue_port))
        .env("blue", "FN_GRPC_PORT", text(options.blue_grpc_port))
        .env("green", "FN_PORT", text(options.green_port))
        .env("green", "FN_GRPC_PORT", text(options.green_grpc_port))
        .on_step(|step| match step {
            Step::Certificates => println!("    making certificates"),
            Step::Starting(_) => {}
            Step::Serves(node) => println!("    {node} serves"),
        })
        .start();
    Ok(cluster.await?)
}

async fn demonstrate(cluster: &mut Cluster, steps: &mut Steps) -> Result<Vec<Called>, Failure> {
    let build = async { Ok(images::probe().await?) };
    let image = steps.run("function image", "one static file, FROM scratch, made offline", build).await?;
    let calls = async {
        let mut calls = Vec::new();
        for (app, group) in TENANTS {
            calls.push(call(cluster, app, group, &image).await?);
        }
        Ok(calls)
    };
    steps.run("two apps in two groups, one call each through the LB", "cold starts", calls).await
}

async fn call(
    cluster: &Cluster,
    app: &'static str,
    group: &'static str,
    image: &str,
) -> Result<Called, Failure> {
    let api = cluster.api();
    let id = api.create_app(app, &[("FN_LB_GROUP_ID", group)]).await?;
    let function = api.create_function(&id, "hello", image).await?;
    api.create_trigger(&id, &function, "hello", "/hello").await?;
    let answer = cluster.front().invoke(&function, format!("hello from {app}")).await?;
    if answer.status != 200 {
        return Err(Failure::because(format!("{app} answered {}: {}", answer.status, answer.text().trim())));
    }
    let container = answer.json()["container"].as_str().unwrap_or_default().to_owned();
    let runner = cluster.runner_of(&container).await?;
    if runner != group {
        return Err(Failure::because(format!("a call of group {group} ran on the runner of {runner}")));
    }
    let said = answer.json()["body"].as_str().unwrap_or_default().to_owned();
    if said != format!("hello from {app}") {
        return Err(Failure::because(format!("{app} saw another body than was sent: {said:?}")));
    }
    // Docker's own tools show twelve characters of an id.
    let container = container.chars().take(12).collect();
    Ok(Called { app, group, function, runner, container, answer: said })
}

impl Options {
    /// Every port and what wants it.
    fn ports(&self) -> [(&'static str, u16, &'static str); 7] {
        [
            ("API", self.api_port, "--api-port"),
            ("LB", self.lb_port, "--lb-port"),
            ("NPM", self.npm_port, "--npm-port"),
            ("runner blue's HTTP", self.blue_port, "--blue-port"),
            ("runner blue's gRPC", self.blue_grpc_port, "--blue-grpc-port"),
            ("runner green's HTTP", self.green_port, "--green-port"),
            ("runner green's gRPC", self.green_grpc_port, "--green-grpc-port"),
        ]
    }

    /// Asked before anything slow is done: a taken port would only show after the build.
    fn require_free_ports(&self) -> Result<(), Failure> {
        for (what, port, flag) in self.ports() {
            if let Err(error) = TcpListener::bind((self.listen, port)) {
                let why =
                    format!("port {port} for the {what} cannot be used ({error}): free it, or set {flag}");
                return Err(Failure::because(why));
            }
        }
        Ok(())
    }
}

/// Waits for Ctrl-C, which is the good end, or for a node that dies, which is not.
async fn wait(interrupts: &mut Interrupts, cluster: &mut Cluster) -> Result<(), Failure> {
    let names: Vec<String> = cluster.nodes().iter().map(|node| node.name().to_owned()).collect();
    let mut watch = tokio::time::interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = interrupts.next() => return Ok(()),
            _ = watch.tick() => {}
        }
        if let Some(gone) = names.iter().find(|name| !cluster.node(name).is_running()) {
            let log = cluster.node(gone).log();
            let last = log.lines().last().unwrap_or("nothing");
            return Err(Failure::because(format!("node {gone} has ended; the last it said: {last}")));
        }
    }
}

const WATCH_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_lives_while_its_process_does() {
        assert!(owner_lives(&format!("remuda-{}-abc", std::process::id())));
        assert!(!owner_lives("remuda-4194305-abc"));
        assert!(!owner_lives("other"));
    }
}
