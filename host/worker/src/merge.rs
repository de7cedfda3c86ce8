//! A worker merges the indexes of repos that were pushed to, so that pushes don't have to.

use std::time::Duration;

use packhouse_store::IndexWatch;

use super::Worker;

impl Worker {
    /// Merges what is due, again and again. Several workers may: an index has one merge at a time.
    pub(super) async fn merge_indexes(&self, every: Duration) {
        let mut watch = IndexWatch::default();
        while !self.stop.asked() {
            match self.store.merge_indexes(&mut watch).await {
                Ok(0) => {}
                Ok(runs) => tracing::debug!(runs, "merged indexes"),
                Err(error) if error.is_read_only() => {
                    tracing::warn!("indexes are not merged: {error}");
                    return;
                }
                Err(error) => tracing::warn!("indexes could not be merged: {error}"),
            }
            self.stop.within(every).await;
        }
    }
}
