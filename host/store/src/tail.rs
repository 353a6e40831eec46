//! Telling watchers what was changed, by this process and by others, by reading the table of changes on and on.
//!
//! While nobody watches nothing is read. Own commits wake the reading at once; those of others are found by looking
//! every [`crate::Options::poll_interval`].

mod hub;
mod machine;

pub(crate) use hub::Hub;

use crate::database::Database;
use crate::failure::{Failure, Outcome, away};
use crate::session::Session;
use crate::table::changes;
use machine::{Heard, RECENT, Tail};
use remuda_core::Moment;
use remuda_core::port::{Changed, News};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long nothing could be read until watchers are told so, and what one reading may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two readings that fail.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// How many rows one statement reads, and how many missing ones it asks for.
const READ_AT_ONCE: u32 = 100;
const ASKED_AT_ONCE: usize = 100;

/// The task that reads.
pub(crate) struct Telling {
    /// Where to read.
    pub(crate) database: Arc<Database>,
    /// Whom to tell.
    pub(crate) hub: Arc<Hub>,
    /// Told of own commits, and of new watchers.
    pub(crate) wake: Arc<Notify>,
    /// How often to look for what others have changed.
    pub(crate) poll_interval: Duration,
}

impl Telling {
    /// Reads and tells until it is dropped.
    pub(crate) async fn run(self) {
        let started = Instant::now();
        let mut tail: Option<Tail> = None;
        let mut failing_since: Option<Instant> = None;
        loop {
            if self.hub.rest_unless_watched() {
                tail = None;
                failing_since = None;
                self.wake.notified().await;
                continue;
            }
            let pause = if failing_since.is_some() { RETRY_PAUSE } else { self.poll_interval };
            // Whether it was woken or not, it looks.
            let _ = tokio::time::timeout(pause, self.wake.notified()).await;
            let asked = Instant::now();
            let now = Moment::from_ms(asked.duration_since(started).as_millis() as u64);
            let read = tokio::time::timeout(PATIENCE, self.read_on(&mut tail, now)).await;
            match read.unwrap_or_else(|_| Err(Failure::Database(sqlx::Error::PoolTimedOut))) {
                Ok(()) => failing_since = None,
                Err(failure) => {
                    let since = *failing_since.get_or_insert(asked);
                    if since.elapsed() >= PATIENCE && self.hub.end() {
                        let error = remuda_core::Fault::from(failure).chain();
                        tracing::warn!(error, "changes cannot be read: what was remembered may grow old");
                        // Begins anew when the database is back.
                        tail = None;
                    }
                }
            }
        }
    }

    /// Reads what is new and tells it.
    async fn read_on(&self, tail: &mut Option<Tail>, now: Moment) -> Outcome<()> {
        let mut lease = self.database.tail.lease().await.map_err(away)?;
        let read = self.read_with(lease.session()?, tail, now).await;
        lease.rest_after(&read);
        read
    }

    async fn read_with(
        &self,
        session: &mut dyn Session,
        tail: &mut Option<Tail>,
        now: Moment,
    ) -> Outcome<()> {
        let Some(reading) = tail else {
            let recent = changes::latest(session, RECENT).await?;
            *tail = Some(Tail::begin(&recent, now));
            self.hub.begin();
            return Ok(());
        };
        loop {
            let rows = changes::from(session, reading.floor(), READ_AT_ONCE).await?;
            let is_all = rows.len() < READ_AT_ONCE as usize;
            match reading.read(rows, now) {
                Heard::New(new) => self.tell(new),
                Heard::Lost => {
                    let recent = changes::latest(session, RECENT).await?;
                    *reading = Tail::begin(&recent, now);
                    self.hub.tell(News::Changed(vec![Changed::Everything]));
                    return Ok(());
                }
            }
            if is_all {
                break;
            }
        }
        let asked = reading.ask(ASKED_AT_ONCE);
        let found = changes::numbered(session, &asked).await?;
        self.tell(reading.found(found));
        reading.forget(now);
        Ok(())
    }

    fn tell(&self, rows: Vec<Vec<Changed>>) {
        for things in rows {
            self.hub.tell(News::Changed(things));
        }
    }
}
