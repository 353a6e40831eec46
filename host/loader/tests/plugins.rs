//! Plugins that load: what they answer, and what becomes of those that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use remuda_core::port::ControlPlane;
use remuda_core::{GroupId, Kind, MemoryMb};
use remuda_loader::{LoadError, Loaded, find, inspect, load_control_plane};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use support::{Bench, library, load, noop_options, options, set_mode};
use tracing_subscriber::fmt::MakeWriter;

fn group(name: &str) -> GroupId {
    GroupId::new(name)
}

async fn addresses(plane: &Arc<dyn ControlPlane>, of: &str) -> Vec<String> {
    let runners = plane.runners(&group(of)).await.unwrap();
    runners.into_iter().map(|runner| runner.address.to_string()).collect()
}

async fn faulty(deadline: Duration) -> Loaded {
    let mut options = options(&[]);
    options.call_deadline = deadline;
    load_control_plane(&library("faulty_plugin"), options).await.unwrap()
}

/// What this process has logged, in lines of JSON.
fn logged() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Recorder;

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Recorder {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}

fn record_the_log() {
    static SET: Once = Once::new();
    SET.call_once(|| tracing_subscriber::fmt().json().flatten_event(true).with_writer(Recorder).init());
}

#[tokio::test]
async fn noop_is_found_loaded_and_lists_its_runners() {
    let bench = Bench::new();
    let directory = library("noop").parent().unwrap().to_owned();
    let path = find("noop.so", &bench.path(""), Some(&directory)).unwrap();
    let loaded = load(&path).await.unwrap();
    assert_eq!((loaded.name.as_str(), loaded.version.as_str()), ("noop", env!("CARGO_PKG_VERSION")));
    let plane = loaded.control_plane;
    assert_eq!(addresses(&plane, "green").await, ["h:9190"]);
    assert_eq!(addresses(&plane, "blue").await, ["h:9190", "i:9191"]);
    let runner = plane.runners(&group("green")).await.unwrap().remove(0);
    assert_eq!((runner.id.as_str(), runner.capacity, runner.fixed), ("noop-h:9190", MemoryMb(4096), true));
    assert_eq!(plane.provision(&group("blue"), 7).await.unwrap(), 0);
    plane.remove(&group("blue"), "noop-h:9190").await.unwrap();
    plane.close().await;
    let fault = plane.runners(&group("blue")).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.to_string()),
        (Kind::Unavailable, "control plane noop: runners: the plugin is closed".into())
    );
}

#[tokio::test]
async fn a_plugin_of_a_later_compatible_version_works() {
    let path = library("later_api_plugin");
    assert_ne!(inspect(&path).unwrap().api, remuda_plugin_api::abi::API_VERSION);
    let plane = load(&path).await.unwrap().control_plane;
    let runner = plane.runners(&group("any")).await.unwrap().remove(0);
    // It asked the host for something that this host does not have, and got its own default.
    assert_eq!((runner.capacity, runner.fixed), (MemoryMb(9), true));
    let fault = plane.provision(&group("any"), 1).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Internal);
    assert!(fault.to_string().ends_with("an error with a code of a later version"), "{fault}");
    plane.close().await;
}

#[test]
fn a_manifest_is_read_without_running_the_plugin() {
    let manifest = inspect(&library("noop")).unwrap();
    assert_eq!((manifest.name.as_str(), &manifest.kinds[..]), ("noop", &["control_plane".to_owned()][..]));
    assert_eq!(manifest.api, remuda_plugin_api::abi::API_VERSION);
    let variable = &manifest.variables[0];
    assert!(variable.name == "FN_RUNNER_ADDRESSES" && variable.required && !variable.secret);
    assert!(variable.doc.contains("host:port"));
}

#[tokio::test]
async fn a_link_is_followed_and_the_file_is_what_is_named() {
    let bench = Bench::new();
    let file = bench.file("real.so", &fs::read(library("noop")).unwrap());
    let link = bench.path("link.so");
    symlink("real.so", &link).unwrap();
    assert_eq!(load(&link).await.unwrap().path, file);
}

#[tokio::test]
async fn what_happens_to_the_file_after_it_was_loaded_does_not_matter() {
    let bench = Bench::new();
    let bytes = fs::read(library("noop")).unwrap();
    let file = bench.file("noop.so", &bytes);
    let first = load(&file).await.unwrap().control_plane;
    fs::write(&file, b"overwritten in place").unwrap();
    assert_eq!(addresses(&first, "blue").await, ["h:9190", "i:9191"]);
    first.provision(&group("blue"), 1).await.unwrap();
    // A new file under the same name is what is loaded next, and the old one goes on.
    fs::write(&file, fs::read(library("faulty_plugin")).unwrap()).unwrap();
    let second = load(&file).await.unwrap();
    assert_eq!(second.name, "faulty");
    fs::remove_file(&file).unwrap();
    assert_eq!(addresses(&second.control_plane, "any").await, ["fine:1"]);
    assert_eq!(addresses(&first, "any").await, ["h:9190"]);
}

#[tokio::test]
async fn the_same_file_loaded_twice_is_two_plugins() {
    let first = load(&library("noop")).await.unwrap().control_plane;
    let other = options(&[("FN_RUNNER_ADDRESSES", "other:1")]);
    let second = load_control_plane(&library("noop"), other).await.unwrap().control_plane;
    first.close().await;
    assert_eq!(addresses(&second, "any").await, ["other:1"]);
    assert!(first.runners(&group("any")).await.is_err());
}

#[tokio::test]
async fn a_group_that_may_write_the_file_is_warned_about() {
    record_the_log();
    let bench = Bench::new();
    let file = bench.file("group.so", &fs::read(library("noop")).unwrap());
    set_mode(&file, 0o664);
    load(&file).await.unwrap();
    let log = logged();
    let line =
        log.lines().find(|line| line.contains("group.so") && line.contains("WARN")).expect("no warning");
    assert!(line.contains("mode 0664 of it lets its owner's group write"), "{line}");
}

#[tokio::test]
async fn a_panic_in_a_plugin_is_a_fault_of_that_call() {
    record_the_log();
    let plane = faulty(Duration::from_secs(20)).await.control_plane;
    for (name, says) in [
        ("panic", "control plane faulty: runners: the plugin panicked in runners: told to panic"),
        ("panic-later", "control plane faulty: runners: the plugin panicked in runners: told to panic later"),
        ("bomb", "control plane faulty: runners: the plugin panicked in runners: no message"),
    ] {
        let fault = plane.runners(&group(name)).await.unwrap_err();
        assert_eq!((fault.kind, fault.to_string().as_str()), (Kind::Internal, says));
        assert_eq!(addresses(&plane, "fine").await, ["fine:1"]);
    }
    let fault = plane.provision(&group("panic"), 1).await.unwrap_err();
    assert!(fault.to_string().contains("provision: the plugin panicked"), "{fault}");
    let fault = plane.remove(&group("panic"), "x").await.unwrap_err();
    assert!(fault.to_string().contains("remove: the plugin panicked"), "{fault}");
    assert_eq!(plane.provision(&group("fine"), 3).await.unwrap(), 3);
    // Its place is in the log.
    let log = logged();
    let line =
        log.lines().find(|line| line.contains("told to panic later")).expect("the panic was not logged");
    assert!(line.contains("ERROR") && line.contains("faulty/src/lib.rs:"), "{line}");
    // It panics when it is closed, too.
    plane.close().await;
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_its_deadline_and_is_given_up_in_the_plugin() {
    let plane = faulty(Duration::from_millis(200)).await.control_plane;
    let fault = plane.runners(&group("hang")).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable);
    assert_eq!(fault.to_string(), "control plane faulty: runners: it did not answer within 200ms");
    until_nothing_hangs(&plane).await;
    assert_eq!(addresses(&plane, "fine").await, ["fine:1"]);
}

/// The plugin's task ends soon after the host has given it up.
async fn until_nothing_hangs(plane: &Arc<dyn ControlPlane>) {
    let ended = async {
        while plane.provision(&group("hanging"), 0).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the plugin goes on with the call");
}

#[tokio::test]
async fn a_call_whose_future_is_dropped_is_given_up_in_the_plugin() {
    let plane = faulty(Duration::from_secs(60)).await.control_plane;
    let hanging = group("hang");
    let call = plane.runners(&hanging);
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    until_nothing_hangs(&plane).await;
}

#[tokio::test]
async fn a_call_that_blocks_its_thread_ends_at_its_deadline() {
    let plane = faulty(Duration::from_millis(300)).await.control_plane;
    let fault = plane.runners(&group("block")).await.unwrap_err();
    assert!(fault.to_string().ends_with("it did not answer within 300ms"), "{fault}");
    assert_eq!(addresses(&plane, "fine").await, ["fine:1"]);
}

#[tokio::test]
async fn a_call_that_is_never_answered_is_a_fault() {
    let plane = faulty(Duration::from_secs(60)).await.control_plane;
    let (caller, closer) = (Arc::clone(&plane), Arc::clone(&plane));
    let hanging = tokio::spawn(async move { caller.runners(&group("hang")).await });
    while plane.provision(&group("hanging"), 0).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    // Closing drops the plugin's tasks, and with them the place where the answer would go.
    closer.close().await;
    let fault = hanging.await.unwrap().unwrap_err();
    assert_eq!(fault.to_string(), "control plane faulty: runners: it gave the call up without an answer");
}

#[tokio::test]
async fn rubbish_from_a_plugin_is_a_fault_that_says_what_was_wrong() {
    let plane = faulty(Duration::from_secs(20)).await.control_plane;
    let fault = plane.runners(&group("address")).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "control plane faulty: runners: it lists runner \"one\" with a wrong address: '99999' in 'h:99999' is not a \
         port from 1 to 65535"
    );
    assert!(plane.runners(&group("rubbish")).await.is_err());
    let fault = plane.runners(&group("away")).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.to_string().as_str()),
        (Kind::Unavailable, "control plane faulty: runners: the cloud is away")
    );
    assert!(plane.runners(&group("long")).await.unwrap_err().to_string().len() < 10_000);
    let fault = plane.remove(&group("any"), "one").await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.to_string().as_str()),
        (Kind::Internal, "control plane faulty: remove: cannot remove one")
    );
}

#[tokio::test]
async fn a_plugin_runs_on_its_own_runtime_and_many_calls_at_once_are_fine() {
    let plane = faulty(Duration::from_secs(30)).await.control_plane;
    assert_eq!(addresses(&plane, "spawn").await, ["spawned:1"]);
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let plane = Arc::clone(&plane);
            tokio::spawn(async move { addresses(&plane, "fine").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), ["fine:1"]);
    }
}

#[tokio::test]
async fn a_plugins_log_lines_are_the_hosts_with_its_name() {
    record_the_log();
    let plane = faulty(Duration::from_secs(20)).await.control_plane;
    plane.runners(&group("log")).await.unwrap();
    let log = logged();
    let line = log.lines().find(|line| line.contains("a line from the plugin")).expect("the line is missing");
    for part in [
        "\"level\":\"WARN\"",
        "\"target\":\"plugin\"",
        "\"plugin.name\":\"faulty\"",
        "\"plugin.target\":\"faulty_plugin\"",
        "42",
        "horse",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let path = library("faulty_plugin");
    let start = async |how: &str| {
        let mut options = options(&[("FAULTY_START", how), ("FAULTY_SECRET", "hunter2")]);
        options.start_deadline = Duration::from_secs(2);
        load_control_plane(&path, options).await.expect_err("it started")
    };
    let error = start("panic").await;
    assert!(matches!(error, LoadError::Start { .. }));
    assert!(
        error
            .to_string()
            .ends_with("failed to start: the plugin panicked in start: told to panic at the start")
    );
    let error = start("config").await;
    assert!(matches!(error, LoadError::Config { .. }));
    assert!(error.to_string().ends_with("FAULTY_SECRET=*** is wrong: set something longer"), "{error}");
    assert!(start("away").await.to_string().ends_with("failed to start: the cloud is away"));
    for how in ["hang", "block"] {
        let error = start(how).await;
        assert!(matches!(error, LoadError::StartTimeout { .. }));
        assert!(error.to_string().contains("did not start within 2 s"), "{error}");
    }
    assert!(!format!("{:?}", noop_options()).contains("h:9190"));
}
