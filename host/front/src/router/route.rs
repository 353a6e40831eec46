//! Routes: each method's handler together with what the document says of it.

use crate::openapi::{Operation, Parameter, Signature};
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, any};
use http::Method;
use remuda_core::Kind;

/// One path of a node.
pub(crate) struct Route {
    /// In axum's notation.
    pub(crate) path: &'static str,
    /// In OpenAPI's.
    pub(crate) described_as: &'static str,
    /// The methods that `handlers` answers; empty = all.
    pub(crate) methods: Vec<&'static str>,
    /// What is said of it.
    pub(crate) operations: Vec<Operation>,
    /// Answers requests.
    pub(crate) handlers: MethodRouter,
}

/// A [`Route`] whose handlers do not have yet what they share.
pub(crate) struct Routed<S> {
    path: &'static str,
    /// In OpenAPI's notation.
    pub(crate) described_as: &'static str,
    /// What is said of it.
    pub(crate) operations: Vec<Operation>,
    answers_all: bool,
    handlers: MethodRouter<S>,
}

/// A path, in axum's notation, that has no handlers yet.
pub(crate) fn at<S: Clone + Send + Sync + 'static>(path: &'static str) -> Routed<S> {
    Routed {
        path,
        described_as: path,
        operations: Vec::new(),
        answers_all: false,
        handlers: MethodRouter::new(),
    }
}

impl<S: Clone + Send + Sync + 'static> Routed<S> {
    /// Has `handler` do what `operation` says.
    pub(crate) fn on<H, T, Parts>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, S> + Signature<Parts>,
        T: 'static,
    {
        if let Some(filter) = filter(operation.method) {
            self.handlers = self.handlers.on(filter, handler);
        }
        self.describe(H::describe(operation))
    }

    /// Has `handler` answer every method, known or not, as these say.
    pub(crate) fn on_all<H, T>(mut self, operations: impl IntoIterator<Item = Operation>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.handlers = any(handler);
        self.answers_all = true;
        operations.into_iter().fold(self, Self::describe)
    }

    fn describe(mut self, operation: Operation) -> Self {
        let names_something = Parameter::of(self.described_as).next().is_some();
        let missing: &[Kind] = if names_something { &[Kind::NotFound] } else { &[] };
        self.operations.push(operation.or(missing));
        self
    }

    /// Writes the path so in the document, where a parameter has several parts.
    pub(crate) fn described_as(self, template: &'static str) -> Self {
        Self { described_as: template, ..self }
    }

    /// Gives the handlers what they share.
    pub(crate) fn with_state(self, state: S) -> Route {
        let methods = self.operations.iter().map(|operation| operation.method).collect();
        Route {
            path: self.path,
            described_as: self.described_as,
            methods: if self.answers_all { Vec::new() } else { methods },
            operations: self.operations,
            handlers: self.handlers.with_state(state),
        }
    }
}

/// `None` for a method that is none of HTTP's own.
fn filter(method: &str) -> Option<MethodFilter> {
    MethodFilter::try_from(Method::from_bytes(method.as_bytes()).ok()?).ok()
}
