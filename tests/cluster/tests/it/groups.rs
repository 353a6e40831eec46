//! Tenants are kept apart: a call of group blue runs on blue's runner, whatever comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use remuda_cluster_tests::{LOST, Seen, deploy_with, probe_in_group};
use remuda_harness::{Builder, Cluster, Front, FunctionId, FunctionSettings, images, until};

const GROUPS: [&str; 2] = ["blue", "green"];

fn two_groups() -> Builder {
    Cluster::builder().api().lb().npm("noop").runner("blue").runner("green")
}

#[tokio::test]
async fn each_group_runs_on_its_own_runner_and_the_function_sees_its_group() {
    let cluster = two_groups().start().await.unwrap();
    for group in GROUPS {
        let function = probe_in_group(&cluster, group).await.unwrap();
        // The first call of a group that nobody has ever heard of.
        let seen = Seen::of(&cluster.front().invoke(&function, "").await.unwrap());
        assert_eq!(seen.variable("FN_LB_GROUP_ID"), group);
        assert_eq!(cluster.runner_of(seen.container()).await.unwrap(), group);
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_functions_own_group_wins_over_its_apps() {
    let cluster = two_groups().start().await.unwrap();
    let image = images::probe().await.unwrap();
    let config = vec![("FN_LB_GROUP_ID".to_owned(), "green".to_owned())];
    let settings = FunctionSettings { config, ..FunctionSettings::default() };
    let api = cluster.api();
    let function = deploy_with(&api, "app", &[("FN_LB_GROUP_ID", "blue")], &image, &settings).await.unwrap();
    let seen = Seen::of(&cluster.front().invoke(&function, "").await.unwrap());
    assert_eq!(cluster.runner_of(seen.container()).await.unwrap(), "green");
    cluster.shutdown().await.unwrap();
}

/// What a stream of calls of one group has seen.
#[derive(Default)]
struct Observed {
    /// Containers that answered, by the group that called.
    containers: BTreeMap<&'static str, BTreeSet<String>>,
    answered: BTreeMap<&'static str, u64>,
    statuses: BTreeMap<u16, u64>,
}

async fn keep_calling(
    front: Front,
    group: &'static str,
    function: FunctionId,
    observed: Arc<Mutex<Observed>>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Ordering::Relaxed) {
        let answer = front.invoke(&function, group).await.unwrap();
        let mut observed = observed.lock().unwrap();
        *observed.statuses.entry(answer.status).or_default() += 1;
        if answer.status == 200 {
            let seen = Seen::of(&answer);
            assert_eq!(seen.body(), group, "an answer for somebody else");
            observed.containers.entry(group).or_default().insert(seen.container().to_owned());
            *observed.answered.entry(group).or_default() += 1;
        } else {
            // A runner that is killed takes the calls with it that had started there; what waits for one in vain
            // is told so. Nothing else may go wrong.
            assert!(matches!(answer.status, 502 | 503), "{}: {}", answer.status, answer.text());
        }
    }
}

#[tokio::test]
async fn under_load_and_while_runners_come_and_go_no_call_runs_on_anothers_runner() {
    let mut cluster = two_groups()
        .allow_log(LOST)
        .allow_log("runner lost while the call was running")
        .start()
        .await
        .unwrap();
    let births = cluster.watch_births().unwrap();
    let image = images::probe().await.unwrap();
    let settings = FunctionSettings { timeout_seconds: 10, ..FunctionSettings::default() };
    let observed = Arc::new(Mutex::new(Observed::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = tokio::task::JoinSet::new();
    for group in GROUPS {
        let (api, config) = (cluster.api(), [("FN_LB_GROUP_ID", group)]);
        let function = deploy_with(&api, group, &config, &image, &settings).await.unwrap();
        for _ in 0..4 {
            let (front, observed, stop) = (cluster.front(), Arc::clone(&observed), Arc::clone(&stop));
            load.spawn(keep_calling(front, group, function.clone(), observed, stop));
        }
    }
    let answered = |group| observed.lock().unwrap().answered.get(group).copied().unwrap_or_default();
    let more_answers = async |group: &'static str| {
        let before = answered(group);
        let what = format!("20 more answers for {group}");
        until(&what, Duration::from_secs(60), async || answered(group) >= before + 20).await.unwrap();
    };
    for group in GROUPS {
        more_answers(group).await;
    }
    let failed = || {
        let observed = observed.lock().unwrap();
        observed.statuses.iter().filter(|(status, _)| **status != 200).map(|(_, count)| count).sum::<u64>()
    };
    let mut lost_before = 0;
    for round in 0..3 {
        for (gone, stays) in [("blue", "green"), ("green", "blue")] {
            if round % 2 == 0 {
                cluster.node(gone).kill().await.unwrap();
            } else {
                assert!(cluster.node(gone).stop().await.unwrap().success());
            }
            more_answers(stays).await;
            cluster.node(gone).restart().await.unwrap();
            more_answers(gone).await;
            let lost = failed();
            assert!(round % 2 == 0 || lost == lost_before, "a runner that was asked to stop lost calls");
            lost_before = lost;
        }
    }
    stop.store(true, Ordering::Relaxed);
    load.join_all().await;

    let observed = Arc::into_inner(observed).unwrap().into_inner().unwrap();
    for (group, containers) in &observed.containers {
        assert!(!containers.is_empty());
        for container in containers {
            let runner = cluster.runner_of_born(&births, container).await.unwrap();
            assert_eq!(
                runner, *group,
                "a call of {group} ran on {runner}; statuses: {:?}",
                observed.statuses
            );
        }
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_runner_refuses_calls_of_a_group_that_is_not_its_own_even_when_the_npm_sends_them() {
    let mut cluster = two_groups().allow_log("refused a call of another group").start().await.unwrap();
    let green = cluster.node("green").grpc();
    cluster.node("npm").set_variable("FN_RUNNER_ADDRESSES", &format!("blue={green}"));
    cluster.node("npm").restart().await.unwrap();
    let function = probe_in_group(&cluster, "blue").await.unwrap();
    let front = cluster.front();
    // The LB goes on looking for a runner that takes the call, for as long as its caller waits.
    let call = tokio::spawn(async move { front.invoke(&function, "").await.map(|answer| answer.status) });
    cluster.node("green").wait_for_log("another group", Duration::from_secs(20)).await.unwrap();
    assert!(!call.is_finished(), "the call was answered: {:?}", call.await);
    assert_eq!(cluster.containers().await.unwrap(), Vec::<String>::new(), "no container of another group");
    call.abort();
    cluster.shutdown().await.unwrap();
}
