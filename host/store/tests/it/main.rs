//! The store on real databases: SQLite, PostgreSQL and MariaDB.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod changes;
mod grouped;
mod lists;
mod locks;
mod login;
mod opening;
mod outages;
mod partition;
mod races;
mod rolling;
mod sqlite;
mod suite;
mod support;
