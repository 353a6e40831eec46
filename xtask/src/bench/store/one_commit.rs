//! The peer of grouped commits: the same rows in the same tables on the same file system, with the same durability, one
//! commit for each.
//!
//! One loop on one connection, which is the best that any number of clients can do who commit one after the other:
//! nothing is lost by handing the connection on. It is a script, because SQL has one door in this workspace.

use std::path::PathBuf;
use std::time::Duration;

use remuda_core::port::Catalog;
use remuda_harness::process;
use tokio::process::Command;

use crate::Failure;
use crate::bench::Doing;
use crate::bench::databases::{self, Databases, Kind};

const SCRIPT: &str = include_str!("one_commit.py");
const APP: &str = "app";
/// Beside the time that it writes for.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A file with our tables and an app in it.
pub(super) struct OneCommit {
    file: PathBuf,
}

impl OneCommit {
    pub(super) async fn prepare(databases: &Databases) -> Result<Self, Failure> {
        let name = "one-commit";
        let url = databases.fresh(Kind::Sqlite, name).await?;
        let store =
            remuda_store::open(&url, &remuda_store::Options::default()).await.doing("open a store")?;
        store.create_app(databases::app(APP)).await.doing("create an app")?;
        store.close().await;
        Ok(Self { file: databases.file(&format!("{name}.db")) })
    }

    /// Writes for that long; commits per second.
    pub(super) async fn run(&self, time: Duration) -> Result<f64, Failure> {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).arg(&self.file).args([APP, &time.as_secs_f64().to_string()]);
        let printed = process::run(&mut command, time + STARTS_WITHIN).await?;
        printed.trim().parse().doing("read what one_commit.py printed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::AppId;
    use remuda_core::port::{FnFilter, Page};

    #[tokio::test]
    async fn the_script_writes_functions_as_the_store_does() {
        let databases = Databases::start().await.unwrap();
        let peer = OneCommit::prepare(&databases).await.unwrap();
        assert!(peer.run(Duration::from_millis(50)).await.unwrap() > 0.0);
        let url = databases.fresh(Kind::Sqlite, "one-commit").await.unwrap();
        let store = remuda_store::open(&url, &remuda_store::Options::default()).await.unwrap();
        let filter = FnFilter { app_id: AppId::new(APP), name: None };
        let written = store.list_functions(&filter, &Page { after: None, limit: 1 }).await.unwrap().items;
        let found = written.first().unwrap();
        let (created_at, updated_at) = (found.created_at, found.updated_at);
        let expected = databases::function(found.id.as_str(), &found.name, &AppId::new(APP));
        assert_eq!(*found, remuda_core::Function { created_at, updated_at, ..expected });
    }
}
