//! Moves commits from the log into the catalog's file: people copy `catalog.db` and forget its
//! `-wal`.

use std::time::Duration;

use packhouse_model::error::Result;

use super::Store;

/// How often it is checked whether a store is idle.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

impl Store {
    /// Moves the catalog's log into its file, so that a copy of that file lacks nothing. Every
    /// process that has written does so when it ends. False when another process was in the way: it
    /// does so when it ends.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn checkpoint(&self) -> Result<bool> {
        self.catalog.checkpoint().await
    }

    /// The same now and then, when nothing has been committed for a while: for processes that live
    /// long. Never ends.
    pub async fn checkpoint_when_idle(self) {
        let mut last = None;
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let now = self.catalog.change_stamp().await.ok();
            if now.is_some()
                && now == last
                && let Err(error) = self.checkpoint().await
            {
                tracing::debug!("{error}");
            }
            last = now;
        }
    }
}
