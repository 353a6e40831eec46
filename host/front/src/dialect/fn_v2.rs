//! Fn's HTTP API, version 2.

mod apps;
mod body;
mod functions;
mod paging;
mod triggers;
mod wire;

use crate::Options;
use crate::request_body::Metered;
use crate::router::Route;
use crate::url;
use axum::extract::Request;
use axum::routing::get;
use http::{StatusCode, Uri, request::Parts};
use remuda_core::port::Catalog;
use remuda_core::{Fault, IdSource, Timestamp};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The largest definition, in bytes, when the operator allows larger requests. 100 annotations take 64 KiB.
const MAX_DEFINITION_BYTES: u64 = 4 * 1024 * 1024;
/// How long a client may take to send a definition when the operator sets no limit.
const DEFINITION_TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers share.
struct Api {
    catalog: Arc<dyn Catalog>,
    ids: Arc<IdSource>,
    public_lb_url: Option<String>,
    max_definition_bytes: u64,
    body_read_timeout: Duration,
}

const COLLECTION: &[&str] = &["GET", "POST"];
const ITEM: &[&str] = &["GET", "PUT", "DELETE"];

pub(crate) fn routes(options: &Options, catalog: Arc<dyn Catalog>, ids: Arc<IdSource>) -> Vec<Route> {
    let max_definition_bytes = match options.max_request_size {
        0 => MAX_DEFINITION_BYTES,
        max => max.min(MAX_DEFINITION_BYTES),
    };
    let api = Arc::new(Api {
        catalog,
        ids,
        public_lb_url: options.public_lb_url.clone(),
        max_definition_bytes,
        body_read_timeout: options.body_read_timeout.unwrap_or(DEFINITION_TIMEOUT),
    });
    let collection = |path, handlers: axum::routing::MethodRouter<Arc<Api>>| Route {
        path,
        methods: COLLECTION,
        handlers: handlers.with_state(Arc::clone(&api)),
    };
    let item = |path, handlers: axum::routing::MethodRouter<Arc<Api>>| Route {
        path,
        methods: ITEM,
        handlers: handlers.with_state(Arc::clone(&api)),
    };
    let gone = |path| Route { path, methods: &["GET"], handlers: get(|| async { StatusCode::GONE }) };
    vec![
        collection("/v2/apps", get(apps::list).post(apps::create)),
        item("/v2/apps/{app_id}", get(apps::read).put(apps::update).delete(apps::delete)),
        collection("/v2/fns", get(functions::list).post(functions::create)),
        item("/v2/fns/{fn_id}", get(functions::read).put(functions::update).delete(functions::delete)),
        collection("/v2/triggers", get(triggers::list).post(triggers::create)),
        item("/v2/triggers/{trigger_id}", get(triggers::read).put(triggers::update).delete(triggers::delete)),
        gone("/v2/fns/{fn_id}/calls"),
        gone("/v2/fns/{fn_id}/calls/{call_id}"),
        gone("/v2/fns/{fn_id}/calls/{call_id}/log"),
        Route {
            path: "/v2/runner/apps/{app_id}/triggerBySource/{kind}/{*source}",
            methods: &["GET"],
            handlers: get(triggers::by_source).with_state(Arc::clone(&api)),
        },
    ]
}

impl Api {
    /// The base of endpoint annotations.
    fn base(&self, parts: &Parts) -> String {
        match &self.public_lb_url {
            Some(base) => base.strip_suffix('/').unwrap_or(base).to_owned(),
            None => url::origin(&parts.uri, &parts.headers),
        }
    }

    /// The request without its body, and the fields of the object in its body.
    async fn fields(&self, request: Request) -> Result<(Parts, body::Fields), Fault> {
        let (parts, body) = request.into_parts();
        let metered = Metered::new(body, self.max_definition_bytes, Some(self.body_read_timeout));
        let bytes = metered.collect_bytes().await?;
        Ok((parts, body::fields(&bytes)?))
    }

    fn new_id(&self) -> (String, Timestamp) {
        let now = now();
        (self.ids.next(now), now)
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// The id in `/v2/<kind>/<id>`.
fn id(uri: &Uri) -> String {
    url::segment(uri, 3)
}

/// What a successful DELETE is answered.
fn deleted() -> axum::response::Response {
    use axum::response::IntoResponse;
    (StatusCode::NO_CONTENT, [(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")]).into_response()
}
