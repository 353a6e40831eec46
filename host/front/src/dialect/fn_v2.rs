//! Fn's HTTP API, version 2, and what we add to it: `/v2/groups`, and what load balancers ask under `/v2/runner`.

mod apps;
mod asked;
mod body;
mod functions;
mod groups;
mod object;
mod paging;
mod policy;
mod runner;
mod sent;
mod triggers;
mod wire;

use crate::access::Gate;
use crate::json::Json;
use crate::request_body::Metered;
use crate::router::Route;
use crate::status::Refused;
use crate::{Management, Options, Ports, Readiness, url};
use asked::Asked;
use axum::body::Body;
use axum::routing::{MethodRouter, get};
use http::{StatusCode, request::Parts};
use object::Object;
use remuda_core::listen::ListenedCatalog;
use remuda_core::port::{Catalog, Changes, Groups, Tokens};
use remuda_core::{Fault, IdSource, Timestamp};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// The largest definition, in bytes, when the operator allows larger requests. A config takes at most 128 KiB and 100
/// annotations 64 KiB, and JSON may escape both; in memory, JSON can be 16 times as large as sent.
const MAX_DEFINITION_BYTES: u64 = 1024 * 1024;
/// How long a client may take to send a definition when the operator sets no limit.
const DEFINITION_TIMEOUT: Duration = Duration::from_secs(30);

/// What a handler answers.
type Reply<T> = Result<Json<T>, Refused>;

/// What the handlers share.
struct Api {
    /// Where clients' wishes go; listeners hear of them.
    catalog: Arc<dyn Catalog>,
    /// The same without listeners, for what we ask ourselves.
    stored: Arc<dyn Catalog>,
    groups: Arc<dyn Groups>,
    tokens: Arc<dyn Tokens>,
    changes: Arc<dyn Changes>,
    /// Places of those who hear of changes.
    watchers: Arc<Semaphore>,
    gate: Gate,
    readiness: Readiness,
    ids: Arc<IdSource>,
    public_lb_url: Option<String>,
    max_definition_bytes: u64,
    body_read_timeout: Duration,
}

const COLLECTION: &[&str] = &["GET", "POST"];
const ITEM: &[&str] = &["GET", "PUT", "DELETE"];
const READ_ONLY: &[&str] = &["GET"];

pub(crate) fn routes(options: &Options, management: &Management, ports: &Ports) -> Vec<Route> {
    let api = Arc::new(Api::new(options, management, ports));
    let route = |path, methods, handlers: MethodRouter<Arc<Api>>| Route {
        path,
        methods,
        handlers: handlers.with_state(Arc::clone(&api)),
    };
    let collection = |path, handlers| route(path, COLLECTION, handlers);
    let item = |path, handlers| route(path, ITEM, handlers);
    let read_only = |path, handlers| route(path, READ_ONLY, handlers);
    vec![
        collection("/v2/apps", get(apps::list).post(apps::create)),
        item("/v2/apps/{app_id}", get(apps::read).put(apps::update).delete(apps::delete)),
        collection("/v2/fns", get(functions::list).post(functions::create)),
        item("/v2/fns/{fn_id}", get(functions::read).put(functions::update).delete(functions::delete)),
        collection("/v2/triggers", get(triggers::list).post(triggers::create)),
        item("/v2/triggers/{trigger_id}", get(triggers::read).put(triggers::update).delete(triggers::delete)),
        read_only("/v2/fns/{fn_id}/calls", get(gone)),
        read_only("/v2/fns/{fn_id}/calls/{call_id}", get(gone)),
        read_only("/v2/fns/{fn_id}/calls/{call_id}/log", get(gone)),
        read_only("/v2/groups", get(groups::list)),
        item("/v2/groups/{name}", get(groups::read).put(groups::put).delete(groups::delete)),
        read_only("/v2/runner/changes", get(runner::changes)),
        read_only("/v2/runner/tokens/{token_id}", get(runner::token)),
        read_only(
            "/v2/runner/apps/{app_id}/triggerBySource/{kind}/{*source}",
            get(runner::trigger_by_source),
        ),
    ]
}

/// What Fn once answered about calls.
async fn gone(_: Asked) -> StatusCode {
    StatusCode::GONE
}

impl Api {
    fn new(options: &Options, management: &Management, ports: &Ports) -> Self {
        let max_definition_bytes = match options.max_request_size {
            0 => MAX_DEFINITION_BYTES,
            max => max.min(MAX_DEFINITION_BYTES),
        };
        let stored = Arc::clone(&management.catalog);
        Self {
            catalog: ListenedCatalog::around(Arc::clone(&stored), &ports.extensions.listeners),
            stored,
            groups: Arc::clone(&management.groups),
            tokens: Arc::clone(&management.tokens),
            changes: Arc::clone(&management.changes),
            watchers: Arc::new(Semaphore::new(runner::MAX_WATCHERS)),
            gate: Gate::new(&ports.access),
            readiness: ports.readiness.clone(),
            ids: Arc::clone(&ports.ids),
            public_lb_url: options.public_lb_url.clone(),
            max_definition_bytes,
            body_read_timeout: options.body_read_timeout.unwrap_or(DEFINITION_TIMEOUT),
        }
    }

    /// The base of endpoint annotations.
    fn base(&self, request: &Parts) -> String {
        match &self.public_lb_url {
            Some(base) => base.strip_suffix('/').unwrap_or(base).to_owned(),
            None => url::origin(request),
        }
    }

    /// The object in a request's body.
    async fn read<T: Object>(&self, body: Body) -> Result<T, Fault> {
        let metered = Metered::new(body, self.max_definition_bytes, Some(self.body_read_timeout));
        body::read(&metered.collect_bytes().await?)
    }

    fn new_id(&self) -> (String, Timestamp) {
        let now = now();
        (self.ids.next(now), now)
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// What a successful DELETE is answered.
fn deleted() -> axum::response::Response {
    use axum::response::IntoResponse;
    (StatusCode::NO_CONTENT, [(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")]).into_response()
}
