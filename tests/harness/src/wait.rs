//! Waiting for something that can be seen.

use std::time::{Duration, Instant};

use crate::Error;

/// How often a condition is looked at: short enough that no test notices, long enough to leave the cores alone.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks at a condition until it holds, and fails with `what` when it has not held `within` that time. This is
/// the only way to let time pass in a test: what is waited for has a name and an end.
///
/// # Errors
/// [`Error::Deadline`] when the condition never held.
pub async fn until<F>(what: &str, within: Duration, mut holds: F) -> Result<(), Error>
where
    F: AsyncFnMut() -> bool,
{
    let start = Instant::now();
    loop {
        if holds().await {
            return Ok(());
        }
        if start.elapsed() >= within {
            return Err(Error::Deadline { what: what.to_owned(), within });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        until("three looks", Duration::from_secs(5), async || {
            looks += 1;
            looks == 3
        })
        .await
        .unwrap();
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn what_never_holds_is_named_in_the_error() {
        let error = until("the moon", Duration::from_millis(30), async || false).await.unwrap_err();
        assert_eq!(error.to_string(), "waited 30 ms for the moon, in vain");
    }
}
