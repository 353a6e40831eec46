//! Word of changes in its table: numbered rows, a JSON list each of what a transaction changed.

use super::{Write, column};
use crate::failure::Outcome;
use crate::session::{Row, Session, Value};
use async_trait::async_trait;
use remuda_core::port::Changed;
use sqlx::Error;
use std::time::Duration;

/// How long a row is kept.
const KEPT_S: i64 = 3600;
/// How many rows one pruning reads, and removes at most.
const PRUNED_AT_ONCE: u32 = 1000;

/// How much one row tells: watchers and readers hold many rows at once.
const TOLD_AT_ONCE: usize = 32;

/// A row: its number and what was changed.
pub(crate) type Told = (i64, Vec<Changed>);

/// A later release may tell of things that this one does not know.
fn read(row: &Row) -> Result<Told, Error> {
    let told = serde_json::from_str(&row.text("what")?).unwrap_or_else(|_| vec![Changed::Everything]);
    Ok((row.number("seq")?, told))
}

/// Stores what a transaction changed; the last thing before its commit, so that numbers are visible soon after they
/// are given out.
pub(crate) async fn append(session: &mut dyn Session, told: &[Changed]) -> Outcome<()> {
    for some in told.chunks(TOLD_AT_ONCE) {
        let text = serde_json::to_string(some).map_err(|error| Error::Encode(error.into()))?;
        session.execute("INSERT INTO changes (made_at, what) VALUES ({now_s}, ?)", &[text.into()]).await?;
    }
    Ok(())
}

/// The numbers of the latest rows, lowest first, with their age.
pub(crate) async fn latest(session: &mut dyn Session, limit: u32) -> Outcome<Vec<(i64, Duration)>> {
    let statement = "SELECT seq, {now_s} - made_at AS age FROM changes ORDER BY seq DESC LIMIT ?";
    let rows = session.rows(statement, &[limit.into()]).await?;
    // A clock that was set back makes rows younger than they are, which does no harm.
    let read = |row: &Row| {
        let age_s = u64::try_from(row.number("age")?).unwrap_or_default();
        Ok::<_, Error>((row.number("seq")?, Duration::from_secs(age_s)))
    };
    Ok(rows.iter().rev().map(read).collect::<Result<_, _>>()?)
}

/// The rows from a number on, lowest first.
pub(crate) async fn from(session: &mut dyn Session, floor: i64, limit: u32) -> Outcome<Vec<Told>> {
    let statement = "SELECT seq, what FROM changes WHERE seq >= ? ORDER BY seq LIMIT ?";
    let rows = session.rows(statement, &[floor.into(), limit.into()]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Those rows of some numbers that are there.
pub(crate) async fn numbered(session: &mut dyn Session, numbers: &[i64]) -> Outcome<Vec<Told>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let marks = vec!["?"; numbers.len()].join(", ");
    let statement = format!("SELECT seq, what FROM changes WHERE seq IN ({marks})");
    let values: Vec<Value<'_>> = numbers.iter().map(|number| (*number).into()).collect();
    let rows = session.rows(&statement, &values).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Removes the oldest rows that are past keeping, and answers whether there may be more of them. The latest row stays:
/// its number shows those who read on that nothing was lost.
pub(crate) struct Prune;

#[async_trait]
impl Write for Prune {
    type Output = bool;

    async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<bool> {
        let statement = "SELECT seq, {now_s} - made_at AS age FROM changes ORDER BY seq LIMIT ?";
        let rows = session.rows(statement, &[PRUNED_AT_ONCE.into()]).await?;
        let mut old = Vec::new();
        for row in rows.iter().take(rows.len().saturating_sub(1)) {
            if column::number::<i64>(row, "age")? <= KEPT_S {
                break;
            }
            old.push(row.number("seq")?);
        }
        if let Some(last) = old.last() {
            session.execute("DELETE FROM changes WHERE seq <= ?", &[(*last).into()]).await?;
        }
        Ok(old.len() + 1 == PRUNED_AT_ONCE as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::{Options, url};
    use std::sync::Arc;
    use tokio::sync::Notify;

    /// Stores rows that are so many seconds old.
    struct Aged(&'static str);

    #[async_trait]
    impl Write for Aged {
        type Output = ();

        async fn carry_out(&self, session: &mut dyn Session, _: &mut Vec<Changed>) -> Outcome<()> {
            Ok(session.execute(self.0, &[]).await?)
        }
    }

    #[tokio::test]
    async fn old_rows_are_removed_a_batch_at_a_time_and_the_latest_stays() {
        let place = url::parse(":memory:").unwrap();
        let database = Database::open(&place, &Options::default(), &Arc::new(Notify::new())).await.unwrap();
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
                    INSERT INTO changes (made_at, what) SELECT {now_s} - 3700, '[]' FROM n";
        database.write(Aged(many)).await.unwrap();
        let newer =
            "INSERT INTO changes (made_at, what) VALUES ({now_s} - 3500, '[]'), ({now_s} - 3700, '[]')";
        database.write(Aged(newer)).await.unwrap();
        assert!(database.write(Prune).await.unwrap());
        assert!(!database.write(Prune).await.unwrap());
        let mut lease = database.readers.lease().await.unwrap();
        let left = latest(lease.session().unwrap(), 10).await.unwrap();
        assert_eq!(left.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1501, 1502]);
        assert!(left[0].1 >= Duration::from_secs(3500), "{left:?}");
    }
}
