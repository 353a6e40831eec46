//! Fn's HTTP API, version 2, and what we add to it: `/v2/groups`, and what load balancers ask under `/v2/runner`.

mod apps;
mod asked;
mod body;
mod functions;
mod groups;
mod limits;
mod links;
mod object;
mod paging;
mod part;
mod policy;
mod runner;
mod sent;
mod triggers;
mod wire;

use crate::access::Gate;
use crate::json::Json;
use crate::openapi::{Operation, Tag};
use crate::router::{Route, Routed, at};
use crate::status::Refused;
use crate::{Management, Options, Ports, Readiness, url};
use asked::Asked;
use http::request::Parts;
use part::Gone;
use remuda_core::listen::ListenedCatalog;
use remuda_core::port::{Catalog, Changes, Groups, Tokens};
use remuda_core::{IdSource, Kind, Timestamp};
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

/// Each path, and what each of its methods does. The document that describes the API is made of the same table.
pub(crate) fn routes(options: &Options, management: &Management, ports: &Ports) -> Vec<Route> {
    let api = Arc::new(Api::new(options, management, ports));
    let all = definitions().into_iter().chain(operators()).chain(former()).chain(internal());
    all.map(|route| route.with_state(Arc::clone(&api))).collect()
}

type Routes = Vec<Routed<Arc<Api>>>;

const TAKEN: &[Kind] = &[Kind::Conflict];
const MISSING: &[Kind] = &[Kind::NotFound];

fn definitions() -> Routes {
    let (get, post, put, delete) = verbs(Tag::Apps);
    let apps = at("/v2/apps")
        .on(get("ListApps", "Lists apps, a page at a time."), apps::list)
        .on(post("CreateApp", "Creates an app.").or(TAKEN).leads_to(links::OF_APP), apps::create);
    let app = at("/v2/apps/{app_id}")
        .on(get("GetApp", "Tells an app."), apps::read)
        .on(put("UpdateApp", "Changes an app: what is not sent stays as it is.").or(TAKEN), apps::update)
        .on(delete("DeleteApp", "Deletes an app with its functions and triggers."), apps::delete);
    let (get, post, put, delete) = verbs(Tag::Fns);
    let functions = at("/v2/fns")
        .on(get("ListFns", "Lists the functions of an app, a page at a time.").or(MISSING), functions::list)
        .on(
            post("CreateFn", "Creates a function.").or(TAKEN).or(MISSING).leads_to(links::OF_FN),
            functions::create,
        );
    let function = at("/v2/fns/{fn_id}")
        .on(get("GetFn", "Tells a function."), functions::read)
        .on(
            put("UpdateFn", "Changes a function: what is not sent stays as it is.").or(TAKEN),
            functions::update,
        )
        .on(delete("DeleteFn", "Deletes a function with its triggers."), functions::delete);
    let (get, post, put, delete) = verbs(Tag::Triggers);
    let triggers = at("/v2/triggers")
        .on(
            get("ListTriggers", "Lists the triggers of an app, a page at a time.").or(MISSING),
            triggers::list,
        )
        .on(
            post("CreateTrigger", "Creates a trigger.").or(TAKEN).or(MISSING).leads_to(links::OF_TRIGGER),
            triggers::create,
        );
    let trigger = at("/v2/triggers/{trigger_id}")
        .on(get("GetTrigger", "Tells a trigger."), triggers::read)
        .on(
            put("UpdateTrigger", "Changes a trigger: what is not sent stays as it is.").or(TAKEN),
            triggers::update,
        )
        .on(delete("DeleteTrigger", "Deletes a trigger."), triggers::delete);
    vec![apps, app, functions, function, triggers, trigger]
}

/// What only operators use.
fn operators() -> Routes {
    let (get, _, put, delete) = verbs(Tag::Groups);
    vec![
        at("/v2/groups")
            .on(get("ListGroups", "Lists the LB groups that apps may be told to use."), groups::list),
        at("/v2/groups/{name}")
            .on(get("GetGroup", "Tells an LB group."), groups::read)
            .on(
                put("PutGroup", "Puts an LB group on the list, or changes who may use it.").or(TAKEN),
                groups::put,
            )
            .on(delete("DeleteGroup", "Takes an LB group off the list.").or(TAKEN), groups::delete),
    ]
}

/// What Fn once had.
fn former() -> Routes {
    let (get, ..) = verbs(Tag::Fns);
    vec![
        at("/v2/fns/{fn_id}/calls").on(get("ListCalls", "Was: lists calls."), gone),
        at("/v2/fns/{fn_id}/calls/{call_id}").on(get("GetCall", "Was: tells a call."), gone),
        at("/v2/fns/{fn_id}/calls/{call_id}/log").on(get("GetCallLog", "Was: tells a call's log."), gone),
    ]
}

/// What load balancers ask.
fn internal() -> Routes {
    let (get, ..) = verbs(Tag::Internal);
    let changes = get("WatchChanges", "Word of changes, a line of JSON each time, until the node stops.");
    let changes = changes.for_nodes().endless().answers_with(200, "News.", "application/x-ndjson");
    vec![
        at("/v2/runner/changes").on(changes, runner::changes),
        at("/v2/runner/tokens/{token_id}").on(get("GetToken", "Tells a token.").for_nodes(), runner::token),
        at("/v2/runner/apps/{app_id}/triggerBySource/{kind}/{*source}")
            .described_as("/v2/runner/apps/{app_id}/triggerBySource/{kind}/{source}")
            .on(
                get("GetTriggerBySource", "Tells the trigger of an app with this source."),
                runner::trigger_by_source,
            ),
    ]
}

type Verb = Box<dyn Fn(&'static str, &'static str) -> Operation>;

/// GET, POST, PUT and DELETE about one thing.
fn verbs(tag: Tag) -> (Verb, Verb, Verb, Verb) {
    let verb = |method: fn(&'static str, &'static str) -> Operation| -> Verb {
        Box::new(move |id, about| method(id, about).tag(tag))
    };
    (verb(Operation::get), verb(Operation::post), verb(Operation::put), verb(Operation::delete))
}

/// What Fn once answered about calls.
async fn gone(_: Asked) -> Gone {
    Gone
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

    fn new_id(&self) -> (String, Timestamp) {
        let now = now();
        (self.ids.next(now), now)
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
