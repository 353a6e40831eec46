//! What a daemon is.

use crate::env::Setting;
use std::fmt;

/// The kinds of node that `fnserver` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeType {
    /// API, front door and runner in one process.
    Full,
    /// Apps, functions and triggers; runs nothing.
    Api,
    /// Takes calls and places them on runners.
    LoadBalancer,
    /// Runs functions for load balancers.
    PureRunner,
}

impl fmt::Display for NodeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Api => "api",
            Self::LoadBalancer => "lb",
            Self::PureRunner => "pure-runner",
        })
    }
}

impl Setting for NodeType {
    const KIND: &'static str = "full, api, lb or pure-runner";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "api" => Ok(Self::Api),
            "lb" => Ok(Self::LoadBalancer),
            "pure-runner" => Ok(Self::PureRunner),
            _ => Err("use full, api, lb or pure-runner".to_owned()),
        }
    }
    fn fallback() -> Self {
        Self::Full
    }
}
