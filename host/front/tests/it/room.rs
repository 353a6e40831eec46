//! A node without a listener: requests go straight into its router, from whomever a test wants them to come.

use crate::node::echo;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use remuda_core::access::{AppSet, Bearer, Role, Token};
use remuda_core::port::TokenStore;
use remuda_core::testing::catalog_cases::a_token;
use remuda_core::testing::{FakeCatalog, FakeInvoker};
use remuda_core::{IdSource, TokenId};
use remuda_front::{Access, Extensions, Invoking, Management, Options, Peer, Ports, Readiness, router};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

pub(crate) struct Room {
    pub(crate) router: Router,
    pub(crate) catalog: Arc<FakeCatalog>,
    pub(crate) invoker: Arc<FakeInvoker>,
    pub(crate) readiness: Readiness,
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) enum Sender {
    /// Without a token, in clear text.
    Anyone,
    /// With this token.
    Holder(String),
    /// By its certificate, checking tokens itself.
    Node,
}

/// What a request is answered.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
    /// What was made or changed.
    pub(crate) fn object(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }
}

impl Room {
    /// Open to everyone; calls are answered with their request.
    pub(crate) fn open() -> Self {
        Self::with(|_| {}, echo())
    }
    /// Where tokens are checked.
    pub(crate) fn guarded() -> Self {
        Self::guarded_with(|_| {}, echo())
    }
    pub(crate) fn guarded_with(change: impl FnOnce(&mut Ports), invoker: FakeInvoker) -> Self {
        let guard = |ports: &mut Ports| {
            let tokens = ports.management.as_ref().map(|management| Arc::clone(&management.tokens));
            ports.access = Access::Tokens(tokens.unwrap());
            change(ports);
        };
        Self::with(guard, invoker)
    }
    pub(crate) fn with(change: impl FnOnce(&mut Ports), invoker: FakeInvoker) -> Self {
        let (catalog, invoker) = (Arc::new(FakeCatalog::new()), Arc::new(invoker));
        let readiness = Readiness::new();
        let mut ports = Ports {
            management: Some(Management {
                catalog: Arc::clone(&catalog) as _,
                groups: Arc::clone(&catalog) as _,
                tokens: Arc::clone(&catalog) as _,
                changes: Arc::clone(&catalog) as _,
            }),
            access: Access::Open,
            invoking: Some(Invoking {
                definitions: Arc::clone(&catalog) as _,
                invoker: Arc::clone(&invoker) as _,
            }),
            ids: Arc::new(IdSource::new(7)),
            readiness: readiness.clone(),
            extensions: Extensions::default(),
        };
        change(&mut ports);
        Self { router: router(Options::default(), ports).unwrap(), catalog, invoker, readiness }
    }

    /// A new token.
    pub(crate) async fn holder(&self, role: Role, apps: AppSet) -> Sender {
        let count = self.catalog.list_tokens().await.unwrap().len();
        let id = format!("T{count}");
        let bearer = Bearer::new(TokenId::new(id.as_str()), [u8::try_from(count).unwrap(); 32]);
        let token = Token { role, apps, hash: bearer.hash(), ..a_token(&id) };
        self.catalog.create_token(token).await.unwrap();
        Sender::Holder(bearer.reveal())
    }

    /// One for everything.
    pub(crate) async fn admin(&self) -> Sender {
        self.holder(Role::Admin, AppSet::All).await
    }

    pub(crate) async fn ask(&self, who: &Sender, request: &str, body: impl ToString) -> Told {
        let (method, path) = request.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).header("host", "h");
        self.send(who, request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn send(&self, who: &Sender, mut request: Request<Body>) -> Told {
        match who {
            Sender::Anyone => {}
            Sender::Holder(token) => {
                request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            }
            Sender::Node => {
                request.headers_mut().insert("remuda-auth", "token".parse().unwrap());
                request.extensions_mut().insert(Peer::Node);
            }
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Told { status: StatusCode::as_u16(&parts.status), headers: parts.headers, text }
    }

    /// Makes something, and says its id.
    pub(crate) async fn make(&self, who: &Sender, path: &str, body: Value) -> String {
        let told = self.ask(who, &format!("POST {path}"), body).await.object();
        told["id"].as_str().unwrap().to_owned()
    }

    /// An app of this name with a function and a trigger `/x`.
    pub(crate) async fn tenant(&self, who: &Sender, name: &str) -> Tenant {
        let config = json!({"SECRET": "1"});
        let app = json!({"name": name, "config": config, "syslog_url": "tcp://h:1"});
        let app = self.make(who, "/v2/apps", app).await;
        let function = json!({"name": "f", "app_id": app, "image": "i", "config": config});
        let function = self.make(who, "/v2/fns", function).await;
        let trigger = json!({"name": "t", "app_id": app, "fn_id": function, "type": "http", "source": "/x"});
        let trigger = self.make(who, "/v2/triggers", trigger).await;
        Tenant { app, function, trigger }
    }
}

/// The ids of what a tenant has.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) app: String,
    pub(crate) function: String,
    pub(crate) trigger: String,
}

impl Tenant {
    /// Ids of nothing.
    pub(crate) fn missing() -> Self {
        Self { app: "missing".into(), function: "missing".into(), trigger: "missing".into() }
    }
}
