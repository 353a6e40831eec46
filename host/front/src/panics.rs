//! What becomes of a request whose handler panics: an answer, and a line in the log.

use crate::json;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use remuda_core::Blame;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Answers 500 where what comes next panics. A body that panics on its way breaks its response off, and nobody else's.
pub(crate) async fn contain(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // A request that panicked is dropped whole; what it shares with others is behind locks that survive poisoning.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response.map(|body| Body::new(Contained { body, request: Some((method, path)) })),
        Err(panic) => {
            log(&method, &path, &*panic);
            let mut response = json::error(StatusCode::INTERNAL_SERVER_ERROR, "internal server error");
            response.extensions_mut().insert(Blame::Service);
            response
        }
    }
}

fn log(method: &Method, path: &str, panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)");
    tracing::error!(%method, path, error = text, "a request's handler panicked");
}

struct Contained {
    body: Body,
    /// For the log; gone once the body has panicked.
    request: Option<(Method, String)>,
}

impl HttpBody for Contained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.request.is_none() {
            return Poll::Ready(None);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.body).poll_frame(context)));
        polled.unwrap_or_else(|panic| {
            if let Some((method, path)) = self.request.take() {
                log(&method, &path, &*panic);
            }
            Poll::Ready(Some(Err(axum::Error::new("the rest of the response is lost"))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
