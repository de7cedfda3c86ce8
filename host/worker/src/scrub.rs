//! A worker reads packs that no request reads.

use std::time::Duration;

use packhouse_model::error::Result;
use packhouse_model::progress::Progress;

use super::Worker;

impl Worker {
    /// Reads its share of the packs, again and again. Several workers may: no two read one pack.
    pub(super) async fn scrub(&self, every: Duration) {
        let mut debt = 0;
        while !self.stop.asked() {
            match self.scrub_share(every, debt).await {
                Ok(left) => debt = left,
                Err(error) if error.is_read_only() => {
                    tracing::warn!("packs are not checked: {error}");
                    return;
                }
                Err(error) => tracing::warn!("packs could not be checked: {error}"),
            }
            self.stop.within(every).await;
        }
    }

    /// Reads the share of one turn, unless a large pack has taken the bytes of this turn, too.
    /// Returns how many bytes it owes to the next turns.
    async fn scrub_share(&self, every: Duration, debt: u64) -> Result<u64> {
        let Some(share) = self.store.scrub_share(every).await? else { return Ok(0) };
        let share = share.max(1);
        if debt >= share {
            return Ok(debt - share);
        }
        let report = self.store.scrub(share - debt, &Progress::silent()).await?;
        if report.packs > 0 {
            tracing::info!(
                packs = report.packs,
                bytes = report.bytes,
                damaged = report.damaged.len(),
                "scrubbed"
            );
        }
        Ok(report.bytes.saturating_sub(share - debt))
    }
}
