//! End-to-end tests: real daemons on free ports, a real Docker Engine, nothing simulated. One file a subject.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bodies;
mod compat;
mod configuration;
mod databases;
mod definitions;
mod drain;
mod extensions;
mod faults;
mod full_node;
mod groups;
mod https;
mod outages;
mod plugins;
mod python;
mod static_runners;
mod tenancy;
mod trust;
mod walkthrough;
