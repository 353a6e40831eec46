use crate::stage::*;
use remuda_core::call;
use std::time::Instant;
#[tokio::test(flavor = "multi_thread")]
async fn measure() {
    let stage = Stage::new().await;
    let mut starts = vec![];
    for _ in 0..8 {
        let began = Instant::now();
        let instance = stage.started().await;
        answered(&instance, "size=2", call::empty()).await;
        starts.push(began.elapsed());
        instance.remove().await;
        eprintln!("remove at {:?}", began.elapsed());
    }
    starts.sort();
    eprintln!("cold start+call {starts:?}");
    let instance = stage.started().await;
    for _ in 0..2000 {
        answered(&instance, "size=2", call::empty()).await;
    }
    let began = Instant::now();
    for _ in 0..10000 {
        answered(&instance, "size=2", call::empty()).await;
    }
    eprintln!("hot {:?} per call", began.elapsed() / 10000);
    let began = Instant::now();
    let sent = vec![7u8; 6 << 20];
    for _ in 0..10 {
        assert_eq!(answered(&instance, "echo", call::full(sent.clone())).await.len(), 6 << 20);
    }
    eprintln!("echo 6MB {:?}", began.elapsed() / 10);
    instance.remove().await;
    stage.nothing_is_left().await;
}
