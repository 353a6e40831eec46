//! The engine against a real Docker Engine, with the probe function.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod calls;
mod image;
mod lifecycle;
mod stage;
