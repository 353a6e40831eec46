//! One write in a transaction of its own.

use super::Connections;
use crate::failure::{Failure, Outcome};
use crate::table::{Write, changes};
use rand::Rng;
use std::time::Duration;

/// How often a write is tried that loses to others.
const ATTEMPTS: u32 = 20;
/// The longest pause before the second attempt; it doubles with each, up to a bound.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Carries a write out, again when another transaction was faster.
pub(crate) async fn write_alone<W: Write>(connections: &Connections, write: &W) -> Outcome<W::Output> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        match once(connections, write).await {
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
    let mut transaction = connections.begin().await?;
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
            // What fails here is undone by the server when the connection ends; the first failure is the one to tell.
            let _ = transaction.rollback().await;
            Err(failure)
        }
    }
}
