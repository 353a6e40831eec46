//! The front through its public router, on a real listener.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod access;
mod any;
mod api;
mod call;
mod common;
mod encrypted;
mod extension;
mod groups;
mod limits;
mod listeners;
mod listening;
mod metrics;
mod news;
mod node;
mod openapi;
mod room;
