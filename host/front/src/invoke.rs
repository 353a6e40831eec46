//! Invocations: requests become calls, answers become responses.

mod answer;
mod edge;
mod heard;
mod target;

use crate::access::Gate;
use crate::openapi::{Operation, Tag};
use crate::request_body::{Metered, too_large};
use crate::router::{Route, at};
use crate::{Invoking, Options, Ports, status, url};
use axum::extract::{Request, State};
use axum::response::Response;
use edge::Edge;
use heard::{Hearing, heard_through};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;
use remuda_core::access::{AppSet, Identity};
use remuda_core::port::CallListener;
use remuda_core::{AppId, Call, CallId, Fault, FnId, IdSource, Kind, Mode, Target, Timestamp, TriggerId};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use target::Targets;

const CALL_ID: HeaderName = HeaderName::from_static("fn-call-id");
const INVOKE_TYPE: HeaderName = HeaderName::from_static("fn-invoke-type");
/// What looking a function up may take, however its definitions are had.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);
/// What the listeners together may take before a call.
const LISTENER_TIMEOUT: Duration = Duration::from_secs(30);

/// Takes calls in.
pub(crate) struct Invocations {
    invoking: Invoking,
    gate: Gate,
    listeners: Arc<[Arc<dyn CallListener>]>,
    ids: Arc<IdSource>,
    targets: Targets,
    max_request_size: u64,
    max_response_size: u64,
    body_read_timeout: Option<Duration>,
}

pub(crate) fn routes(invocations: &Arc<Invocations>) -> Vec<Route> {
    let direct = |State(room): State<Arc<Invocations>>, request: Request| async move {
        room.take_in(Edge::Direct, request).await
    };
    let trigger = |State(room): State<Arc<Invocations>>, request: Request| async move {
        room.take_in(Edge::Trigger, request).await
    };
    let invoke = Operation::post("InvokeFunction", "Calls a function; the body is its input.");
    vec![
        at("/invoke/{fn_id}").on(described(invoke), direct).with_state(Arc::clone(invocations)),
        at("/t/{*rest}")
            .described_as("/t/{app}/{source}")
            .on_all(TRIGGERED.map(|(method, id)| described(Operation::new(method, id, TRIGGER))), trigger)
            .with_state(Arc::clone(invocations)),
    ]
}

const TRIGGER: &str = "Calls the function of a trigger as plain HTTP; any method will do.";
/// The methods that OpenAPI knows, of those that triggers answer, and what each is called.
const TRIGGERED: [(&str, &str); 8] = [
    ("GET", "GetTriggered"),
    ("PUT", "PutTriggered"),
    ("POST", "PostTriggered"),
    ("DELETE", "DeleteTriggered"),
    ("OPTIONS", "OptionsTriggered"),
    ("HEAD", "HeadTriggered"),
    ("PATCH", "PatchTriggered"),
    ("TRACE", "TraceTriggered"),
];

fn described(operation: Operation) -> Operation {
    let takes_body = !matches!(operation.method, "GET" | "HEAD" | "TRACE");
    let operation = if takes_body { operation.takes_anything() } else { operation };
    operation
        .tag(Tag::Calls)
        .guarded()
        .answers_with(200, "What the function answered.", "*/*")
        .answers_nothing(202, "A detached call was taken in.")
}

/// Whether a path is one of an invocation.
pub(crate) fn is_invocation(path: &str) -> bool {
    path.starts_with("/invoke/") || path.starts_with("/t/")
}

/// What a request calls.
struct Found {
    target: Arc<Target>,
    trigger_id: Option<TriggerId>,
}

impl Invocations {
    pub(crate) fn new(options: &Options, invoking: Invoking, ports: &Ports) -> Self {
        Self {
            invoking,
            gate: Gate::new(&ports.access),
            listeners: ports.extensions.listeners.calls.as_slice().into(),
            ids: Arc::clone(&ports.ids),
            targets: Targets::default(),
            max_request_size: options.max_request_size,
            max_response_size: options.max_response_size,
            body_read_timeout: options.body_read_timeout,
        }
    }

    /// Gives a response the id of a call that never came to be.
    pub(crate) fn name_call(&self, response: &mut Response) {
        let id = CallId::new(self.ids.next(Timestamp::from(SystemTime::now())));
        set_call_id(response, &id);
    }

    async fn take_in(&self, edge: Edge, request: Request) -> Response {
        let (now, began) = (Timestamp::from(SystemTime::now()), Instant::now());
        let id = CallId::new(self.ids.next(now));
        let (parts, body) = request.into_parts();
        let outcome = match self.admit(edge, id.clone(), now, parts).await {
            Ok(call) => self.run(edge, call, began, body).await,
            Err(fault) => Err(fault),
        };
        let mut response = outcome.unwrap_or_else(|fault| {
            status::log_call(&fault, &id);
            status::refuse(&fault)
        });
        set_call_id(&mut response, &id);
        response
    }

    /// The call that a request makes, if its sender may make it and every listener lets it pass. The body is not read.
    async fn admit(&self, edge: Edge, id: CallId, now: Timestamp, mut parts: Parts) -> Result<Call, Fault> {
        let who = self.gate.identify(&parts).await?;
        let found = tokio::time::timeout(LOOKUP_TIMEOUT, self.find(edge, &who, &parts));
        let found = found.await.unwrap_or_else(|_| {
            let text = "the function could not be looked up in time";
            Err(Fault::service(Kind::Unavailable, text))
        })?;
        let mode = match parts.headers.get(INVOKE_TYPE) {
            Some(kind) if kind == "detached" => Mode::Detached,
            _ => Mode::Sync,
        };
        let url = url::absolute(&parts);
        self.gate.strip_token(&mut parts.headers);
        let headers = edge.to_function(parts.headers, &parts.method, &url)?;
        let mut call = Call {
            id,
            target: found.target,
            trigger_id: found.trigger_id,
            mode,
            method: parts.method,
            url,
            headers,
            created_at: now,
        };
        if !self.listeners.is_empty() {
            let asked = tokio::time::timeout(LISTENER_TIMEOUT, self.ask_listeners(&mut call)).await;
            let late = |_| Fault::service(Kind::Unavailable, "the call could not be admitted in time");
            asked.map_err(late)??;
        }
        Ok(call)
    }

    async fn ask_listeners(&self, call: &mut Call) -> Result<(), Fault> {
        for listener in &*self.listeners {
            listener.before_call(call).await?;
        }
        Ok(())
    }

    /// Sees an admitted call through, and has the listeners hear of its end, whatever that is.
    async fn run(
        &self,
        edge: Edge,
        call: Call,
        began: Instant,
        body: axum::body::Body,
    ) -> Result<Response, Fault> {
        let call = Arc::new(call);
        if self.listeners.is_empty() {
            return self.answer(edge, &call, body, None).await;
        }
        let mut hearing = Hearing::new(Arc::clone(&self.listeners), Arc::clone(&call), began);
        match self.answer(edge, &call, body, Some(&mut hearing)).await {
            Ok(response) => Ok(response.map(|body| heard_through(body, hearing))),
            Err(fault) => {
                hearing.failed(fault.clone());
                Err(fault)
            }
        }
    }

    async fn answer(
        &self,
        edge: Edge,
        call: &Arc<Call>,
        body: axum::body::Body,
        hearing: Option<&mut Hearing>,
    ) -> Result<Response, Fault> {
        let body = Metered::new(body, self.max_request_size, self.body_read_timeout);
        let exceeded = body.exceeded();
        let answer = tokio::select! {
            biased;
            () = exceeded.cancelled() => Err(too_large(self.max_request_size)),
            answer = self.invoking.invoker.invoke(Arc::clone(call), body.boxed_unsync()) => answer,
        };
        if exceeded.is_cancelled() {
            return Err(too_large(self.max_request_size));
        }
        let answer = answer?;
        if let Some(hearing) = hearing.filter(|_| call.mode == Mode::Sync) {
            hearing.answered(&answer);
        }
        let limits = answer::Limits { max_bytes: self.max_response_size, request_exceeded: exceeded };
        answer::respond(edge, call, answer, limits).await
    }

    /// Looks up what a request calls. Whoever may not call it hears the same whether it exists or not.
    async fn find(&self, edge: Edge, who: &Identity, parts: &Parts) -> Result<Found, Fault> {
        who.check_known()?;
        let definitions = &self.invoking.definitions;
        match edge {
            Edge::Direct => {
                if who.apps() == AppSet::All {
                    who.may_invoke("")?;
                }
                let missing = |fault| who.missing(fault);
                let id = FnId::new(url::segment(&parts.uri, 2));
                let function = definitions.function(&id).await.map_err(missing)?;
                let app = definitions.app(&function.app_id).await.map_err(missing)?;
                who.may_invoke(&app.name)?;
                Ok(Found { target: self.targets.of(&app, &function), trigger_id: None })
            }
            Edge::Trigger => {
                let (app_name, source) = edge::app_and_source(parts.uri.path());
                who.may_invoke(&app_name)?;
                let app = definitions.app_named(&app_name).await?;
                let trigger = definitions.trigger_by_source(&app.id, &source).await?;
                let function = definitions.function(&trigger.fn_id).await?;
                check_owner(&app.id, &function.app_id)?;
                Ok(Found { target: self.targets.of(&app, &function), trigger_id: Some(trigger.id.clone()) })
            }
        }
    }
}

/// A trigger never reaches a function of another app, whatever the definitions say.
fn check_owner(app: &AppId, owner: &AppId) -> Result<(), Fault> {
    if app == owner { Ok(()) } else { Err(Fault::not_found("Fn not found")) }
}

fn set_call_id(response: &mut Response, id: &CallId) {
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(CALL_ID, id);
    }
}
