//! Removing old word of changes, now and then.

use crate::database::Database;
use crate::table::changes::Prune;
use std::sync::Arc;
use std::time::Duration;

/// Between two removals.
const INTERVAL: Duration = Duration::from_secs(60);
/// What one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prunes until it is dropped. It does not matter when one removal fails: others follow.
pub(crate) async fn run(database: Arc<Database>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        loop {
            match tokio::time::timeout(PATIENCE, database.write(Prune)).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => break,
                Ok(Err(failure)) => {
                    let error = remuda_core::Fault::from(failure).chain();
                    tracing::debug!(error, "old word of changes was not removed");
                    break;
                }
            }
        }
    }
}
