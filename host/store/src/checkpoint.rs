//! Moves commits from the log into the catalog's file: people copy `catalog.db` and forget its
//! `-wal`.

use std::time::Duration;

use packhouse_model::error::Result;

use super::Store;

/// How often to check whether a store is idle.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

impl Store {
    /// Moves the catalog's log into its file, so that a copy of that file is complete. Every
    /// process that has written does so when it exits. False if another process prevented it: that
    /// one does it when it exits.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn checkpoint(&self) -> Result<bool> {
        self.catalog.checkpoint().await
    }

    /// The same from time to time, when nothing has been committed for a while: for long-running
    /// processes. Never returns.
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
