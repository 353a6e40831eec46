//! What handlers take and answer besides JSON, each with what the document says of it.

use super::Api;
use super::asked::Asked;
use super::object::{Object, Query};
use crate::openapi::{Operation, Outcome, Part};
use crate::request_body::Metered;
use crate::status::Refused;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use remuda_core::Fault;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

impl Part for Asked {
    fn describe(operation: Operation) -> Operation {
        operation.guarded()
    }
}

/// The parameters of a request's query.
pub(super) struct Wanted<Q>(pub(super) Q);

impl<Q: Query> FromRequestParts<Arc<Api>> for Wanted<Q> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Refused> {
        Ok(Self(Q::read(&parts.uri)?))
    }
}

impl<Q: Query> Part for Wanted<Q> {
    fn describe(operation: Operation) -> Operation {
        operation.asks(Q::PARAMETERS)
    }
}

/// A body with something new in it, not read yet: whether it may be sent at all is asked first.
pub(super) struct New<T>(Body, PhantomData<T>);

/// A body that changes something, not read yet.
pub(super) struct Change<T>(Body, PhantomData<T>);

/// A body that was not read yet.
pub(super) trait Unread {
    /// What is in it.
    type Object: Object;
    /// The bytes.
    fn body(self) -> Body;
}

macro_rules! unread {
    ($name:ident, $is_new:literal, $called:expr) => {
        impl<T: Object> Unread for $name<T> {
            type Object = T;
            fn body(self) -> Body {
                self.0
            }
        }

        impl<T> FromRequest<Arc<Api>> for $name<T> {
            type Rejection = Infallible;

            async fn from_request(request: Request, _: &Arc<Api>) -> Result<Self, Infallible> {
                Ok(Self(request.into_body(), PhantomData))
            }
        }

        impl<T: Object> Part for $name<T> {
            fn describe(operation: Operation) -> Operation {
                let name = $called(T::NAME.strip_suffix("In").unwrap_or(T::NAME));
                operation.takes(name, T::ABOUT.trim(), T::FIELDS, $is_new)
            }
        }
    };
}

unread!(New, true, |name| format!("New{name}"));
unread!(Change, false, |name| format!("{name}Change"));

impl Api {
    /// The object in a request's body.
    pub(super) async fn read<B: Unread>(&self, body: B) -> Result<B::Object, Fault> {
        let metered = Metered::new(body.body(), self.max_definition_bytes, Some(self.body_read_timeout));
        super::body::read(&metered.collect_bytes().await?)
    }
}

/// What a successful DELETE is answered.
pub(super) struct Deleted;

impl IntoResponse for Deleted {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")]).into_response()
    }
}

impl Outcome for Deleted {
    fn describe(operation: Operation) -> Operation {
        operation.answers_nothing(204, "It is gone.")
    }
}

/// What Fn once answered about calls.
pub(super) struct Gone;

impl IntoResponse for Gone {
    fn into_response(self) -> Response {
        StatusCode::GONE.into_response()
    }
}

impl Outcome for Gone {
    fn describe(operation: Operation) -> Operation {
        operation.answers_nothing(410, "Calls are not kept.")
    }
}
