//! A function as users write them: Python, with pip's `fdk`.

use remuda_cluster_tests::deploy_with;
use remuda_harness::{Cluster, FunctionSettings, images};
use serde_json::json;

#[tokio::test]
async fn a_function_written_with_the_python_fdk_answers_through_the_whole_path() {
    let cluster = Cluster::builder().api().lb().npm("noop").runner("blue").start().await.unwrap();
    let image = images::python_fdk().await.unwrap();
    let api = cluster.api();
    let settings = FunctionSettings { memory_mb: 256, ..FunctionSettings::default() };
    let app = api.create_app("app", &[("FN_LB_GROUP_ID", "blue")]).await.unwrap();
    let function = api.create_function_with(&app, "hello", &image, &settings).await.unwrap();
    api.create_trigger(&app, &function, "t", "/hello").await.unwrap();
    let front = cluster.front();

    let answer = front.invoke(&function, r#"{"name": "Remuda"}"#).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "message": "Hello Remuda", "app": app.0, "group": "blue" }));
    assert!(answer.header("fn-fdk-version").starts_with("fdk-python/"), "{:?}", answer.headers);

    let answer = front.trigger("app", "/hello", r#"{"name": "trigger"}"#).await.unwrap();
    assert_eq!(answer.json()["message"], "Hello trigger");
    assert_eq!(answer.header("content-type"), "application/json");

    // The kit turns an exception into a 502, whose text is not the caller's business.
    let answer = front.invoke(&function, "not JSON").await.unwrap();
    assert_eq!((answer.status, answer.message().as_str()), (502, "function failed"));
    assert_eq!(front.invoke(&function, "").await.unwrap().json()["message"], "Hello World");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn deploying_twice_does_not_mix_functions_up() {
    let cluster = Cluster::builder().full().start().await.unwrap();
    let image = images::python_fdk().await.unwrap();
    let settings = FunctionSettings { memory_mb: 256, ..FunctionSettings::default() };
    for group in ["one", "two"] {
        let config = [("FN_LB_GROUP_ID", group)];
        let function = deploy_with(&cluster.api(), group, &config, &image, &settings).await.unwrap();
        let answer = cluster.front().invoke(&function, "").await.unwrap();
        assert_eq!(answer.json()["group"], group);
    }
    cluster.shutdown().await.unwrap();
}
