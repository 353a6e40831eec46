//! Panics stop here.

use crate::Error;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

/// Runs `work`; a panic in it becomes an error that names `what`.
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| panicked(what, payload))
}

/// Awaits `work`; a panic in it becomes an error that names `what`.
pub(crate) async fn caught_async<T>(
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(payload) => Err(panicked(what, payload)).into(),
    })
    .await
}

fn panicked(what: &str, payload: Box<dyn Any + Send>) -> Error {
    let error =
        Error::panicked(format_args!("the plugin panicked in {what}: {}", payload_text(payload.as_ref())));
    // A payload whose Drop panics would escape the guard.
    std::mem::forget(payload);
    error
}

/// What a panic said.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
