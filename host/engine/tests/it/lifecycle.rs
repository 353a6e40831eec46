//! Containers that come and go, or do not come.

use crate::image;
use crate::stage::{Stage, report};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use remuda_core::port::{Engine, InstanceSpec};
use remuda_core::{Blame, Kind};
use remuda_engine::docker::Ownership;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const INIT_FAILED: &str =
    "Container failed to initialize, please ensure you are using the latest fdk and check the logs";
const INIT_TIMED_OUT: &str =
    "Container initialization timed out, please ensure you are using the latest fdk and check the logs";

#[tokio::test]
async fn a_function_that_never_listens_is_given_up_and_nothing_is_left() {
    let stage = Stage::new().await;
    let spec = stage.spec(&stage.image, &[("PROBE_INIT", "never")]);
    let spec = InstanceSpec { start_timeout: Duration::from_millis(300), ..spec };
    let fault = stage.engine.start(spec).await.err().unwrap();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::InitTimeout, INIT_TIMED_OUT));
    assert_eq!((stage.containers().await, stage.directories()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_function_that_ends_or_breaks_the_contract_before_it_listens_is_told_so_at_once() {
    let stage = Stage::new().await;
    for (how, cause) in [("exit", "exit status 7"), ("bad-symlink", "out of its directory")] {
        let fault = stage.probe(&[("PROBE_INIT", how)]).await.err().unwrap();
        assert_eq!((fault.kind, fault.message.as_ref()), (Kind::InitFailed, INIT_FAILED), "{how}");
        assert!(fault.chain().contains(cause), "{}", fault.chain());
        assert_eq!((stage.containers().await, stage.directories()), (Vec::new(), 0));
    }
}

#[tokio::test]
async fn a_function_that_listens_late_is_waited_for() {
    let stage = Stage::new().await;
    let instance = stage.probe(&[("PROBE_INIT", "late:700")]).await.unwrap();
    assert_eq!(report(&instance).await["calls"], 1);
    instance.remove().await;
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn an_image_that_cannot_be_had_says_so_in_the_engines_words() {
    let stage = Stage::new().await;
    let image = "127.0.0.1:9/nothing/here:1";
    // Two at once share the pull.
    let (one, other) = tokio::join!(stage.engine.prepare_image(image), stage.engine.prepare_image(image));
    for fault in [one.unwrap_err(), other.unwrap_err()] {
        assert_eq!(fault.kind, Kind::PullFailed, "{}", fault.chain());
        let start = "Failed to pull image '127.0.0.1:9/nothing/here:1': ";
        assert!(fault.message.starts_with(start) && fault.message.len() > start.len(), "{}", fault.message);
    }
    let fault = stage.engine.start(stage.spec("../containers/json", &[])).await.err().unwrap();
    assert_eq!(fault.kind, Kind::Foreign(400));
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn an_image_with_a_volume_is_refused_unless_the_operator_allows_it() {
    let stage = Stage::new().await;
    let image = image::probe_with(&stage.api, "VOLUME /data").await;
    let fault = stage.engine.prepare_image(&image).await.unwrap_err();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::ImageRefused, "image has Volume definition"));
    let stage = Stage::with(|options| options.allow_volumes = true).await;
    stage.engine.prepare_image(&image).await.unwrap();
}

#[tokio::test]
async fn an_image_chooses_its_user_by_number_and_never_root() {
    let stage = Stage::new().await;
    // The image's own passwd says that `app` is 0.
    for (own, uid) in [("4321", 4321), ("0", 1000), ("app", 1000), ("+0", 1000), ("0:5", 1000)] {
        let image = image::probe_with(&stage.api, &format!("USER {own}")).await;
        let instance = stage.engine.start(stage.spec(&image, &[])).await.unwrap();
        assert_eq!(report(&instance).await["uid"], uid, "{own}");
        instance.remove().await;
    }
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_a_failed_start() {
    let stage = Stage::new().await;
    let image = image::probe_with(&stage.api, "ENTRYPOINT [\"/nothing\"]").await;
    let fault = stage.engine.start(stage.spec(&image, &[])).await.err().unwrap();
    assert_eq!((fault.kind, fault.message.as_ref()), (Kind::InitFailed, INIT_FAILED), "{}", fault.chain());
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_leaves_nothing() {
    let stage = Stage::new().await;
    // Dropped at several points of its way: before, during and after the container's creation.
    for after in [0, 5, 20, 60, 120, 250] {
        let spec = stage.spec(&stage.image, &[("PROBE_INIT", "late:400")]);
        let dropped = tokio::time::timeout(Duration::from_millis(after), stage.engine.start(spec)).await;
        assert!(dropped.is_err(), "it listened too early to be dropped");
    }
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn many_starts_and_removals_at_once_take_turns() {
    let stage = Stage::with(|options| {
        options.networks = vec!["none".into()];
        options.max_concurrent_starts = 2;
        options.max_concurrent_removals = 2;
    })
    .await;
    let instances = futures_util::future::join_all((0..8).map(|_| stage.started())).await;
    let reports = futures_util::future::join_all(instances.iter().map(report)).await;
    assert!(reports.iter().all(|report| report["calls"] == 1));
    assert_eq!(stage.containers().await.len(), 8);
    futures_util::future::join_all(instances.iter().map(|instance| instance.remove())).await;
    assert_eq!((stage.containers().await, stage.directories()), (Vec::new(), 0));
}

/// A user of the machine has 128 of them, for all its processes.
fn inotify_instances() -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    targets.filter(|target| target.ends_with("anon_inode:inotify")).count()
}

#[tokio::test]
async fn starts_that_wait_for_their_turn_take_no_inotify_instances() {
    let stage = Stage::with(|options| options.max_concurrent_starts = 1).await;
    let mut starts: FuturesUnordered<_> = (0..8).map(|_| stage.started()).collect();
    let first = starts.next().await.unwrap();
    // One a stage; where tests share a process, a few of them run at the same time.
    let taken = inotify_instances();
    assert!(taken < 5, "{taken} instances while {} starts wait", starts.len());
    drop((starts, first));
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_socket_directory_that_we_make_is_closed_to_others_and_one_that_exists_is_left_alone() {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let stage = Stage::new().await;
    std::fs::set_permissions(stage.iofs.path(), Permissions::from_mode(0o755)).unwrap();
    let within = stage.iofs.path().to_owned();
    let inner = Stage::with(|options| options.iofs_dir = within.join("a/b")).await;
    assert_eq!(
        [&within, &within.join("a"), &within.join("a/b")].map(|path| mode(path)),
        [0o755, 0o700, 0o700]
    );
    // The engine sees through it.
    assert_eq!(report(&inner.started().await).await["calls"], 1);
    inner.nothing_is_left().await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_an_error_that_says_where() {
    let host = Some("unix:///nowhere/docker.sock".to_owned());
    let options = remuda_engine::docker::Options { host, ..Default::default() };
    let why = remuda_engine::Docker::connect(options).await.err().unwrap();
    assert_eq!(why.to_string(), "connect to the docker engine at unix:///nowhere/docker.sock");
}

#[tokio::test]
async fn an_engine_that_never_answers_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let host = Some(format!("unix://{}", path.display()));
    let operation_timeout = Duration::from_millis(100);
    let options = remuda_engine::docker::Options { host, operation_timeout, ..Default::default() };
    assert!(matches!(
        remuda_engine::Docker::connect(options).await,
        Err(remuda_engine::Error::Deadline { .. })
    ));
}

#[tokio::test]
async fn a_directory_that_the_engine_does_not_see_is_the_operators_affair() {
    let stage = Stage::with(|options| options.iofs_docker_dir = Some("/not/there".into())).await;
    let fault = stage.probe(&[]).await.err().unwrap();
    assert_eq!((fault.kind, fault.blame), (Kind::Unavailable, Blame::Service));
    assert!(fault.chain().contains("bind source path does not exist"), "{}", fault.chain());
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_dropped_instance_is_removed() {
    let stage = Stage::new().await;
    drop(stage.started().await);
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_sweep_removes_an_earlier_lifes_containers_and_no_others() {
    let life = |classifier: &str, instance: &str| {
        Some(Ownership { classifier: classifier.into(), instance: instance.into() })
    };
    let earlier = Stage::new().await;
    let classifier = earlier.name.clone();
    let earlier = Stage::with(|options| options.ownership = life(&classifier, "earlier")).await;
    let iofs = earlier.iofs.path().to_owned();
    let stranger = Stage::with(|options| {
        options.ownership = life("another node", "earlier");
        options.iofs_dir = iofs.clone();
    })
    .await;
    let now = Stage::with(|options| {
        options.ownership = life(&classifier, "now");
        options.iofs_dir = iofs.clone();
    })
    .await;
    let (lost, theirs, ours) = (earlier.started().await, stranger.started().await, now.started().await);
    assert_eq!(earlier.directories(), 3);
    assert_eq!(now.engine.sweep().await.unwrap(), 1);
    assert_eq!(lost.exited().await, "exit status 137");
    assert_eq!(earlier.containers().await, Vec::<String>::new());
    assert_eq!(earlier.directories(), 2);
    assert_eq!(report(&theirs).await["calls"], 1);
    assert_eq!(report(&ours).await["calls"], 1);
    assert_eq!(now.engine.sweep().await.unwrap(), 0);
    for instance in [lost, theirs, ours] {
        instance.remove().await;
    }
    assert_eq!(stranger.engine.sweep().await.unwrap(), 0);
    earlier.nothing_is_left().await;
}
