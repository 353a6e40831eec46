//! Writes on a server: each in a transaction of its own.
//!
//! Each is a task that goes on when nobody waits for it any more. Would it end with whoever asked, its connection would
//! have to be closed, while the server still waits for a lock on its behalf: clients that hang up and ask again could
//! open connections without bound. Writes have some of the connections and never all, so that reads go on while writes
//! wait for locks.

use super::Connections;
use crate::failure::{Failure, Outcome, away, unavailable};
use crate::table::{Write, changes};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

/// How many writes may be under way or wait; more are refused at once.
const QUEUE: usize = 1024;
/// Connections that are left for reads.
const KEPT_FOR_READS: u32 = 2;
/// How often a write is tried that loses to others.
const ATTEMPTS: u32 = 20;
/// The longest pause before the second attempt; it doubles with each, up to a bound.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Where writes go.
#[derive(Debug)]
pub(crate) struct Alone {
    connections: Connections,
    queue: Arc<Semaphore>,
    /// One for each connection that writes may use.
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    timeout: Duration,
}

impl Alone {
    /// With so many `connections` in all; no write takes longer than `timeout`.
    pub(crate) fn new(connections: Connections, count: u32, timeout: Duration) -> Self {
        let room = count.saturating_sub(KEPT_FOR_READS).max(1) as usize;
        Self {
            connections,
            queue: Arc::new(Semaphore::new(QUEUE)),
            room: Arc::new(Semaphore::new(room)),
            tasks: TaskTracker::new(),
            timeout,
        }
    }

    /// Carries a write out. Who stops waiting before its turn has not asked for it; later, it is finished all the same.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Outcome<W::Output> {
        let full = |_| Failure::Told(unavailable("too many writes are waiting"));
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(full)?;
        if self.tasks.is_closed() {
            return Err(away(sqlx::Error::PoolClosed));
        }
        let (reply, answer) = oneshot::channel();
        let (connections, room, timeout) = (self.connections.clone(), Arc::clone(&self.room), self.timeout);
        self.tasks.spawn(async move {
            let mut reply = reply;
            let done =
                tokio::time::timeout(timeout, carry_out(&connections, &room, &write, &mut reply)).await;
            let late =
                |_| Err(Failure::Told(unavailable(format!("no answer within {} ms", timeout.as_millis()))));
            drop(place);
            // Nobody is there any more: that is theirs to decide.
            let _ = reply.send(done.unwrap_or_else(late));
        });
        answer.await.unwrap_or_else(|_| Err(Failure::Told(remuda_core::Fault::internal("a write panicked"))))
    }

    /// Finishes what is being written, and takes no more.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.connections.close().await;
    }
}

/// Carries a write out, again when another transaction was faster or kept a lock for long. Between attempts others have
/// their turn.
async fn carry_out<W: Write>(
    connections: &Connections,
    room: &Semaphore,
    write: &W,
    reply: &mut oneshot::Sender<Outcome<W::Output>>,
) -> Outcome<W::Output> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let turn = room.acquire().await;
        if reply.is_closed() {
            return Err(Failure::Told(unavailable("nobody waits for it any more")));
        }
        let done = once(connections, write).await;
        drop(turn);
        match done {
            Err(Failure::Again(error)) if attempt < ATTEMPTS => {
                tracing::debug!(attempt, %error, "write lost a race and is tried again");
            }
            done => return done,
        }
        attempt += 1;
        // Of those that collided, each comes back at another time.
        let pause_ms = rand::rng().random_range(1..=pause.as_millis() as u64);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn once<W: Write>(connections: &Connections, write: &W) -> Outcome<W::Output> {
    let mut transaction = connections.lease().await.map_err(away)?.begin().await?;
    let mut told = Vec::new();
    let session = transaction.session()?;
    let work = async {
        let output = write.carry_out(session, &mut told).await?;
        changes::append(session, &told).await?;
        Ok(output)
    };
    match work.await {
        Ok(output) => {
            transaction.commit().await?;
            Ok(output)
        }
        Err(failure) => {
            if !Failure::spoils_connection(&failure) {
                // What fails here is undone by the server when the connection ends; the first failure is the one to tell.
                let _ = transaction.rollback().await;
            }
            Err(failure)
        }
    }
}
