//! Both ends of every wire, joined over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod api;
mod api_changes;
mod api_failover;
mod api_node;
mod cancel;
mod engage;
mod foreign_balancer;
mod foreign_runner;
mod http_certificates;
mod listener;
mod pool;
mod support;
mod trust;
