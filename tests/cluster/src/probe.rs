//! Reading what the probe function (`tests/functions/probe`) reports.

use remuda_harness::Answer;
use serde_json::Value;

/// The header that tells the probe what to do; see its `wish.rs`.
pub const DO: &str = "Probe-Do";

/// What a probe saw of a call.
#[derive(Debug, Clone)]
pub struct Seen(Value);

impl Seen {
    /// The report in an answer.
    ///
    /// # Panics
    /// When the answer is no report: then with all of it, since the test fails here.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let report = answer.json();
        assert!(
            answer.status == 200 && report["call_id"].is_string(),
            "not a report of the probe: {} {}",
            answer.status,
            answer.text()
        );
        Self(report)
    }

    /// The body, when it was short and text.
    #[must_use]
    pub fn body(&self) -> &str {
        self.0["body"].as_str().unwrap_or_default()
    }

    /// The length of the body.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.0["body_bytes"].as_u64().unwrap_or_default()
    }

    /// The engine's id of the container that answered.
    #[must_use]
    pub fn container(&self) -> &str {
        self.0["container"].as_str().unwrap_or_default()
    }

    /// How many calls this container has had, this one included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0["calls"].as_u64().unwrap_or_default()
    }

    /// The user that it runs as.
    #[must_use]
    pub fn uid(&self) -> u64 {
        self.0["uid"].as_u64().unwrap_or(u64::MAX)
    }

    /// A header of the call; empty when it was not there. Names are compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let headers = self.0["headers"].as_object();
        let found = headers.and_then(|all| all.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// A variable of its environment; empty when it is not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        self.0["env"][name].as_str().unwrap_or_default()
    }
}
