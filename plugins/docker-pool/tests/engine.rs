//! The pool against a real Docker Engine, which the gate installs and starts; its absence fails these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use docker_pool::{DockerPool, VARIABLES};
use remuda_plugin_api::{ControlPlane, Host, Runner, check_address};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn docker(arguments: &[&str]) -> String {
    let output: Output = Command::new("docker").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A runner that only waits. It notes each SIGTERM with one letter in /out/terms, and ends upon it when ENDS is set.
const RUNNER: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void note(const char *file, int count) {
    int out = open(file, O_CREAT | O_WRONLY | O_APPEND, 0644);
    if (out >= 0 && write(out, "T", count) >= 0) close(out);
}
static void on_term(int signal) {
    (void)signal;
    note("/out/terms", 1);
    if (getenv("ENDS")) _exit(0);
}
int main(void) {
    signal(SIGTERM, on_term);
    note("/out/ready", 0);
    for (;;) pause();
}
"#;

/// An image with that runner, and everything of its pool, removed at the end.
struct Fixture {
    name: String,
    directory: TempDir,
    iofs: String,
}

impl Fixture {
    fn new(test: &str) -> Self {
        let name = format!("docker-pool-{test}-{}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let path = |file: &str| directory.path().join(file).display().to_string();
        fs::write(path("runner.c"), RUNNER).unwrap();
        fs::create_dir(path("out")).unwrap();
        let built =
            Command::new("cc").args(["-static", "-o", &path("runner"), &path("runner.c")]).status().unwrap();
        assert!(built.success());
        fs::write(
            path("Dockerfile"),
            "FROM scratch\nLABEL remuda=\nCOPY runner /runner\nCMD [\"/runner\"]\n",
        )
        .unwrap();
        docker(&["build", "--quiet", "--tag", &name, &directory.path().display().to_string()]);
        Self { name, iofs: path("iofs"), directory }
    }
    async fn pool(&self, more: &[(&str, &str)]) -> DockerPool {
        self.try_pool(more).await.unwrap()
    }
    async fn try_pool(&self, more: &[(&str, &str)]) -> Result<DockerPool, remuda_plugin_api::Error> {
        let mut values = vec![
            ("DOCKER_POOL_IMAGE", self.name.as_str()),
            ("DOCKER_POOL_NAME", self.name.as_str()),
            ("DOCKER_POOL_MEMORY_MB", "512"),
            ("DOCKER_POOL_IOFS_DIR", self.iofs.as_str()),
            ("DOCKER_POOL_STOP_GRACE_S", "1"),
        ];
        values.extend_from_slice(more);
        DockerPool::start(Host::for_tests(VARIABLES, &values)).await
    }
    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }
    fn containers(&self) -> Vec<String> {
        let filter = format!("label=remuda.pool={}", self.name);
        docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for container in self.containers() {
            let _ = Command::new("docker").args(["rm", "--force", "--volumes", &container]).output();
        }
        let _ = Command::new("docker").args(["rmi", "--force", &self.name]).output();
    }
}

/// Runners are listed as soon as they run, which is when `provision` has answered.
async fn listed(pool: &DockerPool, group: &str, count: usize) -> Vec<Runner> {
    let listing = async {
        loop {
            let runners = pool.runners(group).await.unwrap();
            if runners.len() == count {
                return runners;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listing).await.expect("the list never has the right length")
}

#[tokio::test(flavor = "multi_thread")]
async fn runners_are_started_listed_and_removed_and_nothing_else_is_touched() {
    let fixture = Fixture::new("life");
    // Somebody else's, and one of another pool on the same engine.
    let foreign = docker(&["run", "--detach", "--label", "remuda", &fixture.name]);
    let other =
        docker(&["run", "--detach", "--label", "remuda", "--label", "remuda.pool=other", &fixture.name]);
    let pool =
        fixture.pool(&[("DOCKER_POOL_ENV", "FN_LOG_LEVEL=DEBUG"), ("DOCKER_POOL_GRPC_PORT", "9555")]).await;
    assert_eq!(pool.runners("blue").await.unwrap(), []);

    assert_eq!(pool.provision("blue", 2).await.unwrap(), 2);
    assert_eq!(pool.provision("green", 1).await.unwrap(), 1);
    let blue = listed(&pool, "blue", 2).await;
    let addresses: BTreeSet<&str> = blue.iter().map(|runner| runner.address.as_str()).collect();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for runner in &blue {
        assert!(check_address(&runner.address).is_ok() && runner.address.ends_with(":9555"), "{runner:?}");
        assert!(runner.capacity_mb == 512 && !runner.fixed);
    }
    let inspected = docker(&["inspect", &blue[0].id]);
    for part in [
        "\"FN_NODE_TYPE=pure-runner\"",
        "\"FN_LB_GROUP_ID=blue\"",
        "\"FN_LOG_LEVEL=DEBUG\"",
        "\"FN_GRPC_PORT=9555\"",
        "\"FN_MAX_TOTAL_MEMORY_BYTES=536870912\"",
        "/var/run/docker.sock:/var/run/docker.sock",
        "\"remuda\": \"\"",
        "\"remuda.group\": \"blue\"",
    ] {
        assert!(inspected.contains(part), "{part} is missing: {inspected}");
    }

    // What is there is found again by the next instance of the plugin.
    drop(pool);
    let pool = fixture.pool(&[]).await;
    pool.remove("blue", &blue[0].id).await.unwrap();
    assert_eq!(listed(&pool, "blue", 1).await[0].id, blue[1].id);
    pool.remove("blue", &blue[0].id).await.unwrap();
    assert_eq!(listed(&pool, "green", 1).await.len(), 1);

    for stranger in [&foreign, &other] {
        let error = pool.remove("blue", stranger).await.unwrap_err().to_string();
        assert!(error.contains("does not belong to pool"), "{error}");
        assert_eq!(docker(&["inspect", "--format", "{{.State.Running}}", stranger]), "true");
        docker(&["rm", "--force", stranger]);
    }
}

/// A pool of one runner that is ready to be told to end; what it was told is in the fixture's directory.
async fn one_runner(fixture: &Fixture, environment: &str, grace_s: &str) -> (DockerPool, String) {
    let mount = format!("{}:/out", fixture.out().display());
    let more = [
        ("DOCKER_POOL_MOUNTS", mount.as_str()),
        ("DOCKER_POOL_ENV", environment),
        ("DOCKER_POOL_STOP_GRACE_S", grace_s),
    ];
    let pool = fixture.pool(&more).await;
    pool.provision("blue", 1).await.unwrap();
    let id = listed(&pool, "blue", 1).await.remove(0).id;
    let ready = async {
        while !fixture.out().join("ready").exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready).await.expect("the runner never runs");
    (pool, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_runner_is_told_to_end_and_has_time_for_it() {
    let fixture = Fixture::new("ends");
    let (pool, id) = one_runner(&fixture, "ENDS=1", "3600").await;
    pool.remove("blue", &id).await.unwrap();
    listed(&pool, "blue", 0).await;
    assert_eq!(fs::read_to_string(fixture.out().join("terms")).unwrap(), "T");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_does_not_end_is_told_once_and_then_removed_by_force() {
    let fixture = Fixture::new("stays");
    let (pool, id) = one_runner(&fixture, "", "5").await;
    let begun = Instant::now();
    for _ in 0..3 {
        pool.remove("blue", &id).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "the manager waits for no runner");
    assert_eq!(listed(&pool, "blue", 1).await[0].id, id, "it is there until it is gone");
    listed(&pool, "blue", 0).await;
    assert!(begun.elapsed() >= Duration::from_secs(5));
    assert_eq!(fs::read_to_string(fixture.out().join("terms")).unwrap(), "T");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_starts_what_fits_and_then_says_so() {
    let fixture = Fixture::new("full");
    let pool = fixture.pool(&[("DOCKER_POOL_MAX", "2")]).await;
    let (first, second) = tokio::join!(pool.provision("blue", 2), pool.provision("green", 2));
    let begun = [first, second].map(|result| result.map_err(|error| error.to_string()));
    let full = "the pool is full: it has 2 containers, as many as DOCKER_POOL_MAX allows".to_owned();
    assert!(begun == [Ok(2), Err(full.clone())] || begun == [Err(full), Ok(2)], "{begun:?}");
    assert_eq!(fixture.containers().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_has_ended_is_no_runner_and_makes_room() {
    let fixture = Fixture::new("ended");
    let pool = fixture.pool(&[("DOCKER_POOL_MAX", "1")]).await;
    pool.provision("blue", 1).await.unwrap();
    let first = listed(&pool, "blue", 1).await.remove(0);
    docker(&["kill", &first.id]);
    listed(&pool, "blue", 0).await;
    let provisioning = async {
        loop {
            // The engine may still count the one that it is removing.
            match pool.provision("blue", 1).await {
                Ok(begun) => return begun,
                Err(error) => assert!(error.to_string().contains("the pool is full"), "{error}"),
            }
        }
    };
    let begun =
        tokio::time::timeout(Duration::from_secs(30), provisioning).await.expect("there is never room");
    assert_eq!(begun, 1);
    assert_ne!(listed(&pool, "blue", 1).await[0].id, first.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_refuses_is_told_and_leaves_no_container() {
    let fixture = Fixture::new("refused");
    let error = fixture.try_pool(&[("DOCKER_POOL_IMAGE", "no-such-image:x")]).await.unwrap_err();
    assert!(error.is_config());
    assert!(
        error.to_string().starts_with("DOCKER_POOL_IMAGE=no-such-image:x is wrong: the engine at unix://"),
        "{error}"
    );
    let error = fixture.try_pool(&[("DOCKER_HOST", "unix:///nowhere.sock")]).await.unwrap_err().to_string();
    assert!(error.starts_with("no Docker Engine answers at unix:///nowhere.sock"), "{error}");
    let error = fixture.try_pool(&[("DOCKER_HOST", "tcp://127.0.0.1:1")]).await.unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "{error}");
    let pool = fixture.pool(&[("DOCKER_POOL_NETWORK", "no-such-network")]).await;
    let error = pool.provision("blue", 1).await.unwrap_err().to_string();
    assert!(error.contains("no-such-network"), "{error}");
    assert_eq!(fixture.containers(), [""; 0]);
}
