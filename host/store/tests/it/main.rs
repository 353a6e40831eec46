//! The store on real databases: SQLite, PostgreSQL and MariaDB.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod changes;
mod full_disk;
mod grouped;
mod lists;
mod locks;
mod opening;
mod outages;
mod partition;
mod races;
mod rolling;
mod sqlite;
mod suite;
mod support;
