//! The front through its public router, on a real listener.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod api;
mod call;
mod common;
mod limits;
mod listening;
mod node;
