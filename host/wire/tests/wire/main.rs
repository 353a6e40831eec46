//! Both ends of every wire, joined over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod api;
mod engage;
mod foreign_balancer;
mod foreign_runner;
mod pool;
mod support;
mod trust;
