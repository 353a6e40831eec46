//! What a node says about its HTTP side.

use crate::{Cors, Extensions, Readiness};
use remuda_core::IdSource;
use remuda_core::port::{Catalog, Changes, Definitions, Groups, Invoker, Tokens};
use remuda_telemetry::metrics::Registry;
use std::sync::Arc;
use std::time::Duration;

/// How requests are answered.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `/version` says.
    pub version: String,
    /// The base of the endpoints that functions and triggers are annotated with; `None`: that of the request.
    pub public_lb_url: Option<String>,
    /// The largest request body, in bytes, on every route; 0 = no limit (definitions have one of their own).
    pub max_request_size: u64,
    /// The largest body that a function may answer, in bytes; 0 = no limit.
    pub max_response_size: u64,
    /// How long a client may take to send a request's body; `None` = as long as the call may take.
    pub body_read_timeout: Option<Duration>,
    /// Which pages of other origins may use the node from a browser; `None`: no page.
    pub cors: Option<Cors>,
    /// Where requests and calls are counted, and what `/metrics` tells.
    pub metrics: Registry,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            public_lb_url: None,
            max_request_size: 0,
            max_response_size: 0,
            body_read_timeout: None,
            cors: None,
            metrics: Registry::new(),
        }
    }
}

/// What stands behind HTTP. A part that is absent has no routes: an API node has a catalogue, a load balancer
/// invokes, a full node does both, a pure runner neither.
#[derive(Clone)]
pub struct Ports {
    /// The management API.
    pub management: Option<Management>,
    /// What invocations need.
    pub invoking: Option<Invoking>,
    /// Who may do what.
    pub access: Access,
    /// Makes ids of calls and of what is created.
    pub ids: Arc<IdSource>,
    /// Whether the node wants traffic.
    pub readiness: Readiness,
    /// What a binary that extends Remuda hooks in.
    pub extensions: Extensions,
}

/// How the senders of requests are known.
#[derive(Clone)]
pub enum Access {
    /// They are not: everything is allowed to everyone.
    Open,
    /// By bearer tokens, and nodes by their certificates.
    Tokens(Arc<dyn Tokens>),
}

/// What the management API needs.
#[derive(Clone)]
pub struct Management {
    /// Apps, functions and triggers.
    pub catalog: Arc<dyn Catalog>,
    /// The operator's list of LB groups.
    pub groups: Arc<dyn Groups>,
    /// Tokens, as load balancers ask for them.
    pub tokens: Arc<dyn Tokens>,
    /// News for load balancers.
    pub changes: Arc<dyn Changes>,
}

/// What invocations need.
#[derive(Clone)]
pub struct Invoking {
    /// Looks functions up.
    pub definitions: Arc<dyn Definitions>,
    /// Runs calls.
    pub invoker: Arc<dyn Invoker>,
}
