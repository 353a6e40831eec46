//! An open store.

mod ports;

use crate::database::{Database, Lease, Writer};
use crate::failure::{Failure, Outcome, away, unavailable};
use crate::table::Write;
use crate::tail::{Hub, Telling};
use crate::{Error, Options, pruning, url};
use remuda_core::Fault;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

/// An open database: the catalogue, tokens, the list of LB groups, and word of changes to all of these.
///
/// It mends itself: connections that broke are made anew, and nothing needs to be opened again when the database comes
/// back. Its tasks end with [`Store::close`], or when it is dropped.
#[derive(Debug)]
pub struct Store {
    database: Arc<Database>,
    hub: Arc<Hub>,
    wake: Arc<Notify>,
    operation_timeout: Duration,
    tasks: Mutex<JoinSet<()>>,
}

impl Store {
    pub(crate) async fn open(place: &url::Place, options: &Options) -> Result<Self, Error> {
        if let url::Place::File(path) = place
            && !options.may_create
            && !path.exists()
        {
            return Err(Error::NoCatalogue { name: place.to_string() });
        }
        let wake = Arc::new(Notify::new());
        let database = Arc::new(Database::open(place, options, &wake).await?);
        let hub = Arc::new(Hub::new());
        let telling = Telling {
            database: Arc::clone(&database),
            hub: Arc::clone(&hub),
            wake: Arc::clone(&wake),
            poll_interval: options.poll_interval,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(telling.run());
        tasks.spawn(pruning::run(Arc::clone(&database)));
        let operation_timeout = options.operation_timeout;
        Ok(Self { database, hub, wake, operation_timeout, tasks: Mutex::new(tasks) })
    }

    /// Finishes what is being done and closes the connections; operations that come later fail, and watchers hear no
    /// more.
    pub async fn close(&self) {
        self.tasks.lock().await.shutdown().await;
        self.database.close().await;
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.within(async {
            let mut lease = self.reader().await?;
            let answered = lease.session()?.script("SELECT 1").await.map_err(Failure::from);
            lease.rest_after(&answered);
            answered
        })
        .await
    }

    async fn within<T>(&self, work: impl Future<Output = Outcome<T>>) -> Result<T, Fault> {
        let late = || {
            let why = format!("no answer within {} ms", self.operation_timeout.as_millis());
            Err(unavailable(why))
        };
        match tokio::time::timeout(self.operation_timeout, work).await {
            Ok(outcome) => outcome.map_err(Fault::from),
            Err(_) => late(),
        }
    }

    async fn reader(&self) -> Outcome<Lease> {
        self.database.readers.lease().await.map_err(away)
    }

    async fn write<W: Write>(&self, write: W) -> Result<W::Output, Fault> {
        let done = self.within(self.database.write(write)).await;
        self.wake.notify_one();
        done
    }
}

impl Database {
    /// Carries a write out, in a transaction that it may share.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Outcome<W::Output> {
        match &self.writer {
            Writer::Grouped(grouped) => grouped.write(write).await,
            Writer::Alone(alone) => alone.write(write).await,
        }
    }
}
