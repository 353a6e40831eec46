//! The store as an API node uses it, without HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remuda_core::port::{Catalog, Definitions};
use remuda_core::{AppId, FnId, Function};
use remuda_store::Store;

use super::one_commit::OneCommit;
use super::{CLIENTS, Measured, Operation, ROUND, Rounds};
use crate::Failure;
use crate::bench::Doing;
use crate::bench::databases::{self, Databases, Kind};
use crate::bench::load::{self, Figures};

const APP: &str = "app";

/// An open store with an app, and a function for each client.
#[derive(Clone)]
struct Subject {
    kind: Kind,
    store: Arc<Store>,
    app: AppId,
    /// Makes names and ids that were not used before.
    count: Arc<AtomicU64>,
}

pub(super) async fn measure(rounds: usize, databases: &Databases, all: &mut Rounds) -> Result<(), Failure> {
    let mut subjects = Vec::new();
    for kind in Kind::ALL {
        subjects.push(Subject::open(kind, &databases.fresh(kind, "store").await?).await?);
    }
    let peer = OneCommit::prepare(databases).await?;
    for round in 1..=rounds {
        for Measured { kind, operation, rounds } in &mut all.in_process {
            let Some(subject) = subjects.iter().find(|subject| subject.kind == *kind) else { continue };
            let figures = subject.run(*operation).await?;
            println!("    round {round}: {kind}, {operation}: {figures}");
            rounds.push(figures);
            if (*kind, *operation) == (Kind::Sqlite, Operation::Create) {
                let commits = peer.run(ROUND).await?;
                println!("    round {round}: SQLite, one commit a write: {commits:.0} calls/s");
                all.one_commit.push(commits);
            }
        }
    }
    for subject in subjects {
        subject.store.close().await;
    }
    Ok(())
}

impl Subject {
    async fn open(kind: Kind, url: &str) -> Result<Self, Failure> {
        let store = remuda_store::open(url, &remuda_store::Options::default()).await.doing("open a store")?;
        let app = store.create_app(databases::app(APP)).await.doing("create an app")?.id;
        for client in 0..CLIENTS {
            let function = databases::function(&own(client), &own(client), &app);
            store.create_function(function).await.doing("create a function")?;
        }
        Ok(Self { kind, store: Arc::new(store), app, count: Arc::default() })
    }

    async fn run(&self, operation: Operation) -> Result<Figures, Failure> {
        let subject = self.clone();
        load::repeat(CLIENTS, ROUND, move |client| {
            let subject = subject.clone();
            async move { subject.do_once(operation, client).await }
        })
        .await
    }

    async fn do_once(&self, operation: Operation, client: usize) -> Result<(), Failure> {
        let id = FnId::new(own(client));
        match operation {
            Operation::Create => {
                let number = self.count.fetch_add(1, Ordering::Relaxed);
                let function =
                    databases::function(&format!("id-{number:08}"), &format!("f-{number:08}"), &self.app);
                self.store.create_function(function).await.map(drop).doing("create a function")
            }
            Operation::Change => {
                let number = self.count.fetch_add(1, Ordering::Relaxed);
                let change = move |mut function: Function| {
                    function.config.insert("LEVEL".to_owned(), number.to_string());
                    Ok(function)
                };
                self.store.update_function(&id, Arc::new(change)).await.map(drop).doing("change a function")
            }
            Operation::Read => self.store.function(&id).await.map(drop).doing("read a function"),
        }
    }
}

/// A client's own function: its id and its name.
fn own(client: usize) -> String {
    format!("own-{client}")
}
