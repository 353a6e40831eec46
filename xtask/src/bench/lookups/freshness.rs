//! From the answer to a change until the change is in force.

use std::time::{Duration, Instant};

use remuda_core::FnId;
use remuda_core::port::Definitions;
use remuda_harness::Api;
use remuda_lb::CachedDefinitions;
use serde_json::json;

use crate::Failure;
use crate::bench::Doing;

const CHANGES: u64 = 200;
/// Between two lookups while a change is waited for: a function that is called all the time.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const IN_FORCE_WITHIN: Duration = Duration::from_secs(10);
/// Changes come at all phases of the interval at which API nodes look for what others have changed (50 ms): with
/// pauses in steps that do not divide it.
const PAUSE_STEP_MS: u64 = 37;
const PAUSE_AT_MOST_MS: u64 = 50;

/// Changes a function over and over by requests to an API node, and looks it up until the change is seen. The times,
/// sorted.
pub(super) async fn measure(
    definitions: &CachedDefinitions,
    api: &Api,
    function: &str,
) -> Result<Vec<Duration>, Failure> {
    let id = FnId::new(function);
    let path = format!("/v2/fns/{function}");
    let mut took = Vec::new();
    for number in 0..CHANGES {
        // What is not known cannot be out of date.
        definitions.function(&id).await.doing("look a function up")?;
        tokio::time::sleep(Duration::from_millis(number * PAUSE_STEP_MS % PAUSE_AT_MOST_MS)).await;
        let value = format!("{number} at {}", api.base());
        let change = json!({ "config": { "CHANGE": value } });
        api.send(reqwest::Method::PUT, &path, Some(&change)).await?;
        let answered = Instant::now();
        while definitions.function(&id).await.doing("look a function up")?.config.get("CHANGE")
            != Some(&value)
        {
            if answered.elapsed() > IN_FORCE_WITHIN {
                return Err(Failure::because(format!("change {number} never was in force")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        took.push(answered.elapsed());
    }
    took.sort_unstable();
    Ok(took)
}
