//! Many writes in one transaction: a commit waits for the disk, and one wait is enough for all who are waiting.
//!
//! One task takes what is waiting, carries the writes out one after the other, and commits. Everybody is answered after
//! the commit. A write that is refused has changed nothing ([`Write`] promises that), so it does not touch the others,
//! and a savepoint for each, which doubles the work, is not needed. Where the promise is broken, or the database itself
//! fails, the whole group is undone. Whoever has stopped waiting before their write's turn is passed over.

mod counted;

use super::Connections;
use crate::failure::{Failure, Outcome, away, unavailable};
use crate::session::Session;
use crate::table::{Write, changes};
use async_trait::async_trait;
use counted::Counted;
use futures_util::FutureExt;
use remuda_core::Fault;
use remuda_core::port::Changed;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many writes may wait; more wait to be let in.
const QUEUE: usize = 1024;
/// How many writes share a commit at most.
const MAX_WRITES: usize = 256;
/// How long writes are added before the commit, so that the first is not kept waiting by many slow ones.
const MAX_TIME: Duration = Duration::from_millis(20);

/// Between two warnings that writes are lost.
const WARN_PAUSE: Duration = Duration::from_secs(60);

/// The door to the task that writes.
#[derive(Debug)]
pub(crate) struct Grouped {
    queue: mpsc::Sender<Box<dyn Job>>,
    closing: CancellationToken,
    connections: Connections,
    task: Mutex<JoinSet<()>>,
}

impl Grouped {
    /// Starts the task. `written` is told of each commit.
    pub(crate) fn new(connections: Connections, written: Arc<Notify>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let closing = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(run(connections.clone(), waiting, closing.clone(), written));
        Self { queue, closing, connections, task: Mutex::new(task) }
    }

    /// Carries a write out in the next transaction.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Outcome<W::Output> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Waiting { write, reply: Some(reply), done: None });
        let closed = || Failure::Database(sqlx::Error::PoolClosed);
        self.queue.send(job).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Writes what is waiting, and takes no more.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        let mut task = self.task.lock().await;
        while task.join_next().await.is_some() {}
        self.connections.close().await;
    }
}

/// A write whatever its answer is.
#[async_trait]
trait Job: Send {
    fn is_given_up(&self) -> bool;
    /// Carries it out and remembers the outcome. Fails when the others of the group cannot go on.
    async fn carry_out(&mut self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<()>;
    /// Answers: with the outcome, or with why nothing was written.
    fn answer(self: Box<Self>, lost: Option<Fault>);
}

struct Waiting<W: Write> {
    write: W,
    reply: Option<oneshot::Sender<Outcome<W::Output>>>,
    done: Option<Outcome<W::Output>>,
}

#[async_trait]
impl<W: Write> Job for Waiting<W> {
    fn is_given_up(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    async fn carry_out(&mut self, session: &mut dyn Session, told: &mut Vec<Changed>) -> Outcome<()> {
        let mut session = Counted::new(session);
        let mut news = Vec::new();
        let work = AssertUnwindSafe(self.write.carry_out(&mut session, &mut news)).catch_unwind().await;
        // Whose change panics must not end the task that writes for everybody.
        let done = work.unwrap_or_else(|_| Err(Fault::internal("a write panicked").into()));
        let stops = match &done {
            Ok(_) => None,
            Err(failure) if failure.spoils_connection() => {
                Some("the connection to the database broke".into())
            }
            Err(_) if session.changes > 0 => Some("a write failed that had changed something".into()),
            // SQLite may have undone the whole transaction by itself.
            Err(Failure::Database(error @ sqlx::Error::Database(_)) | Failure::Again(error)) => {
                Some(error.to_string())
            }
            Err(Failure::Told(_) | Failure::Database(_)) => None,
        };
        if done.is_ok() {
            told.append(&mut news);
        }
        self.done = Some(done);
        stops.map_or(Ok(()), |why| Err(Failure::Told(unavailable(why))))
    }

    fn answer(mut self: Box<Self>, lost: Option<Fault>) {
        let done = self.done.take();
        let outcome = match (lost, done) {
            // A refusal, too: it may have been for what another of the group wrote, which is not there now.
            (Some(fault), _) => Err(Failure::Told(fault)),
            (None, Some(done)) => done,
            (None, None) => Err(Failure::Database(sqlx::Error::WorkerCrashed)),
        };
        if let Some(reply) = self.reply.take() {
            // Nobody is there any more: that is theirs to decide.
            let _ = reply.send(outcome);
        }
    }
}

async fn run(
    connections: Connections,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    closing: CancellationToken,
    written: Arc<Notify>,
) {
    let mut warned: Option<Instant> = None;
    loop {
        let first = tokio::select! {
            biased;
            () = closing.cancelled() => {
                waiting.close();
                waiting.recv().await
            }
            first = waiting.recv() => first,
        };
        let Some(first) = first else { return };
        let mut group = Vec::new();
        let lost = match write_group(&connections, first, &mut waiting, &mut group).await {
            Ok(()) => None,
            Err(failure) => {
                let fault = match failure {
                    Failure::Told(fault) => fault,
                    Failure::Database(error) | Failure::Again(error) => unavailable(error),
                };
                warn(&mut warned, group.len(), &fault);
                Some(fault)
            }
        };
        written.notify_one();
        for job in group {
            job.answer(lost.clone());
        }
    }
}

/// Says that writes were lost, now and then: while a disk is full every one is.
fn warn(warned: &mut Option<Instant>, writes: usize, fault: &Fault) {
    let error = fault.chain();
    if warned.is_some_and(|at| at.elapsed() < WARN_PAUSE) {
        tracing::debug!(writes, error, "writes could not be stored and were refused");
    } else {
        *warned = Some(Instant::now());
        tracing::warn!(writes, error, "writes could not be stored and were refused");
    }
}

/// Carries out `first` and what else is waiting, in one transaction. All that was taken is in `group`.
async fn write_group(
    connections: &Connections,
    first: Box<dyn Job>,
    waiting: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> Outcome<()> {
    group.push(first);
    let mut transaction = connections.lease().await.map_err(away)?.begin().await?;
    match carry_out(transaction.session()?, waiting, group).await {
        Ok(()) => Ok(transaction.commit().await?),
        Err(failure) => {
            transaction.undo().await;
            Err(failure)
        }
    }
}

async fn carry_out(
    session: &mut dyn Session,
    waiting: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> Outcome<()> {
    let started = Instant::now();
    let mut told = Vec::new();
    let mut at = 0;
    while let Some(job) = group.get_mut(at) {
        if !job.is_given_up() {
            job.carry_out(session, &mut told).await?;
        }
        at += 1;
        if at < MAX_WRITES && started.elapsed() < MAX_TIME {
            group.extend(waiting.try_recv().ok());
        }
    }
    changes::append(session, &told).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::{Options, url};
    use remuda_core::Kind;

    /// Breaks the promise to fail before it changes anything.
    struct ChangesAndFails;

    #[async_trait]
    impl Write for ChangesAndFails {
        type Output = ();

        async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<()> {
            session.execute("INSERT INTO changes (made_at, what) VALUES (0, '[]')", &[]).await?;
            Err(Fault::not_found("something").into())
        }
    }

    #[tokio::test]
    async fn a_write_that_fails_after_a_change_leaves_nothing_behind() {
        let place = url::parse(":memory:").unwrap();
        let database = Database::open(&place, &Options::default(), &Arc::default()).await.unwrap();
        let failure = database.write(ChangesAndFails).await.unwrap_err();
        assert_eq!(Fault::from(failure).kind, Kind::Unavailable);
        let mut lease = database.readers.lease().await.unwrap();
        assert!(changes::latest(lease.session().unwrap(), 10).await.unwrap().is_empty());
    }

    /// Lets the database grow no further, as a full disk would, for as long as the connection lives.
    struct FillDisk;

    #[async_trait]
    impl Write for FillDisk {
        type Output = ();

        async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<()> {
            Ok(session.script("PRAGMA max_page_count = 1").await?)
        }
    }

    /// Needs room.
    struct Grows;

    #[async_trait]
    impl Write for Grows {
        type Output = ();

        async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<()> {
            let statement = "INSERT INTO changes (made_at, what) VALUES (0, hex(zeroblob(100000)))";
            Ok(session.execute(statement, &[]).await?)
        }
    }

    #[tokio::test]
    async fn after_a_full_disk_writes_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite3://{}/fn.db", directory.path().display());
        let place = url::parse(&url).unwrap();
        let database = Database::open(&place, &Options::default(), &Arc::default()).await.unwrap();
        database.write(Grows).await.unwrap();
        for _ in 0..3 {
            database.write(FillDisk).await.unwrap();
            let fault = Fault::from(database.write(Grows).await.unwrap_err());
            assert_eq!(fault.kind, Kind::Unavailable);
            assert!(fault.chain().contains("full"), "{}", fault.chain());
            database.write(Grows).await.unwrap();
        }
    }
}
