//! Both ends of every wire, joined over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod api;
mod cancel;
mod engage;
mod foreign_balancer;
mod foreign_runner;
mod listener;
mod pool;
mod support;
mod trust;
