//! Calls of a function in a container.

use crate::stage::{LONG, Stage, answered, ask, fault, report, text};
use http_body_util::BodyExt;
use remuda_core::{Kind, call};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_container_stays_hot_from_call_to_call() {
    let stage = Stage::new().await;
    let instance = stage.probe(&[("GREETING", "hello")]).await.unwrap();
    let first = report(&instance).await;
    let second = report(&instance).await;
    assert_eq!((&first["calls"], &second["calls"]), (&1.into(), &2.into()));
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!(first["call_id"], "01CALL");
    assert_eq!(first["uid"], 1000);
    assert_eq!(first["env"]["GREETING"], "hello");
    assert_eq!(first["env"]["FN_LISTENER"], "unix:/tmp/iofs/lsnr.sock");
    assert_eq!(first["env"]["FN_FORMAT"], "http-stream");
    assert_eq!(first["headers"]["Probe-Do"], "");
    assert_eq!(first["headers"]["Fn-Call-Id"], "01CALL");
    instance.remove().await;
    instance.remove().await;
    assert_eq!(instance.exited().await, "exit status 137");
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn six_megabytes_come_back_bit_for_bit() {
    let stage = Stage::new().await;
    let instance = stage.started().await;
    let sent: Vec<u8> =
        (0..6 * 1024 * 1024_u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let came = answered(&instance, "echo", call::full(sent.clone())).await;
    assert!(came == sent, "{} bytes came back, not the same", came.len());
    let patterned = answered(&instance, "size=6291456; chunked", call::empty()).await;
    assert!(
        patterned.len() == 6 << 20
            && patterned.iter().enumerate().all(|(at, byte)| at % 251 == usize::from(*byte))
    );
    assert_eq!(report(&instance).await["calls"], 3);
    instance.remove().await;
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_function_that_crashes_fails_its_call_and_its_container() {
    let stage = Stage::new().await;
    let instance = stage.started().await;
    let failed = fault(&instance, "crash", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("error receiving function response", true));
    assert_eq!(instance.exited().await, "exit status 9");
    instance.remove().await;

    let instance = stage.started().await;
    let answer = ask(&instance, "cut", call::empty(), LONG).await.unwrap();
    let cut = answer.body.collect().await.unwrap_err();
    assert_eq!((cut.kind, cut.message.as_ref()), (Kind::FunctionFailed, "error receiving function response"));
    drop(instance);
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_function_that_eats_too_much_memory_is_killed_and_the_reason_is_known() {
    let stage = Stage::new().await;
    let instance = stage.started().await;
    let failed = fault(&instance, "memory=256", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("error receiving function response", true));
    assert_eq!(instance.exited().await, "exit status 137, out of memory");
    instance.remove().await;
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_function_that_hangs_is_given_up_at_the_deadline() {
    let stage = Stage::new().await;
    let instance = stage.started().await;
    let (began, within) = (Instant::now(), Duration::from_millis(500));
    let failed = fault(&instance, "hang", within).await;
    assert_eq!(
        (failed.fault.kind, failed.fault.message.as_ref(), failed.fatal),
        (Kind::Timeout, "Timed out", true)
    );
    assert!(began.elapsed() >= within && began.elapsed() < within + Duration::from_secs(2));
    instance.remove().await;

    let instance = stage.started().await;
    let answer = ask(&instance, "stall", call::empty(), within).await.unwrap();
    assert_eq!(answer.body.collect().await.unwrap_err().kind, Kind::Timeout);
    instance.remove().await;
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn what_a_function_answers_decides_whether_it_is_called_again() {
    let stage = Stage::new().await;
    let instance = stage.started().await;
    let failed = fault(&instance, "status=502", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("function failed", false));
    let failed = fault(&instance, "status=504", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("Timed out", false));
    let answer = ask(&instance, "http-status=418; header=X-A: b", call::empty(), LONG).await.unwrap();
    assert_eq!(answer.headers.get("fn-http-status").unwrap(), "418");
    assert_eq!(answer.headers.get("x-a").unwrap(), "b");
    answer.body.collect().await.unwrap();
    assert_eq!(report(&instance).await["calls"], 4);
    let failed = fault(&instance, "status=500", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("invalid function response", true));
    instance.remove().await;

    let instance = stage.started().await;
    let failed = fault(&instance, "rubbish", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("error receiving function response", true));
    instance.remove().await;
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn answers_beyond_the_operators_limits_are_refused_before_their_heads_are_out() {
    let limits = |options: &mut remuda_engine::docker::Options| {
        options.max_response_bytes = 100_000;
        options.max_response_header_bytes = 1000;
    };
    let stage = Stage::with(limits).await;
    let instance = stage.started().await;
    for wish in ["size=100001", "size=100001; chunked", "size=5000000; chunked"] {
        let failed = fault(&instance, wish, LONG).await;
        let expected = (Kind::FunctionFailed, "function response body too large", false);
        assert_eq!((failed.fault.kind, failed.fault.message.as_ref(), failed.fatal), expected, "{wish}");
    }
    assert_eq!(answered(&instance, "size=100000; chunked", call::empty()).await.len(), 100_000);
    let failed = fault(&instance, "header-size=2000", LONG).await;
    assert_eq!((failed.fault.message.as_ref(), failed.fatal), ("function response header too large", true));
    instance.remove().await;
    stage.nothing_is_left().await;
}

#[tokio::test]
async fn a_function_that_does_not_read_its_request_can_be_called_again() {
    let stage = Stage::new().await;
    let instance = stage.started().await;
    let early = answered(&instance, "early", call::full(vec![7; 4 << 20])).await;
    assert!(text(&early).contains("\"body_bytes\":0"));
    assert_eq!(report(&instance).await["calls"], 2);
    instance.remove().await;
    stage.nothing_is_left().await;
}
