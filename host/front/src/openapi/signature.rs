//! What a handler's signature says of its operation.

use super::Operation;
use crate::json::Json;
use axum::extract::State;
use schemars::JsonSchema;

/// Something that a handler takes.
pub(crate) trait Part {
    /// The operation, with what follows from that.
    fn describe(operation: Operation) -> Operation;
}

/// What a handler returns.
pub(crate) trait Outcome {
    /// The operation, with what follows from that.
    fn describe(operation: Operation) -> Operation;
}

/// A handler whose types say what it takes and answers.
pub(crate) trait Signature<Parts> {
    /// The operation, with what follows from those.
    fn describe(operation: Operation) -> Operation;
}

impl<F, Out> Signature<()> for F
where
    F: FnOnce() -> Out,
    Out: Future<Output: Outcome>,
{
    fn describe(operation: Operation) -> Operation {
        Out::Output::describe(operation)
    }
}

macro_rules! signatures {
    ($($parts:ident),+) => {
        impl<F, Out, $($parts),+> Signature<($($parts,)+)> for F
        where
            F: FnOnce($($parts),+) -> Out,
            Out: Future<Output: Outcome>,
            $($parts: Part),+
        {
            fn describe(operation: Operation) -> Operation {
                $(let operation = $parts::describe(operation);)+
                Out::Output::describe(operation)
            }
        }
    };
}

signatures!(A);
signatures!(A, B);
signatures!(A, B, C);

/// What handlers share is nothing to those who ask.
impl<S> Part for State<S> {
    fn describe(operation: Operation) -> Operation {
        operation
    }
}

/// What is read of it is for the operation to say.
impl Part for axum::extract::Request {
    fn describe(operation: Operation) -> Operation {
        operation
    }
}

impl<T: JsonSchema> Outcome for Json<T> {
    fn describe(operation: Operation) -> Operation {
        operation.answers::<T>()
    }
}

/// Which errors there can be is for the operation and its parts to say.
impl<T: Outcome, E> Outcome for Result<T, E> {
    fn describe(operation: Operation) -> Operation {
        T::describe(operation)
    }
}

/// A response that the operation has described already.
impl Outcome for axum::response::Response {
    fn describe(operation: Operation) -> Operation {
        operation
    }
}
