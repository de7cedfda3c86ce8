//! What needs attention in the store, from a few statements of the catalog and a look at the disk.

use jiff::{SignedDuration, Timestamp};
use packhouse_model::error::Result;
use packhouse_model::operation::PruneOptions;
use packhouse_model::report::{Health, JobCount, JobStatus, PackTotals};

use super::Store;

impl Store {
    /// What needs attention in the store, in numbers. Reads no pack, and no repo by itself.
    ///
    /// # Errors
    /// When the catalog or the disk can't be read.
    pub async fn health(&self) -> Result<Health> {
        let grace = SignedDuration::try_from(PruneOptions::default().grace).ok();
        let until = grace.and_then(|grace| self.now().checked_sub(grace).ok());
        let alerts = self.catalog.alerts(until.unwrap_or(Timestamp::MIN), self.now()).await?;
        let stored = self.counted_packs.get(self.catalog.stored_packs()).await?;
        let scrub = self.scrub_state().await?;
        let mut health = Health {
            damaged_repos: alerts.damaged_repos,
            prunable_packs: alerts.prunable_packs,
            prunable_bytes: alerts.prunable_bytes,
            oldest_check: scrub.oldest,
            unchecked_packs: scrub.due,
            disk: self.vault.disk()?,
            packs: Some(PackTotals {
                packs: stored.packs.saturating_sub(alerts.unneeded_packs),
                bytes: stored.bytes.saturating_sub(alerts.unneeded_bytes),
                pending_packs: alerts.unneeded_packs,
                pending_bytes: alerts.unneeded_bytes,
            }),
            at: Some(self.now()),
            jobs_due: alerts.jobs_due,
            next_job_at: alerts.next_job_at,
            leased_until: alerts.leased_until,
            ..Health::default()
        };
        for JobCount { status, count, healed, .. } in self.job_counts().await? {
            match status {
                JobStatus::Queued => health.jobs_queued += count,
                JobStatus::Running => health.jobs_running += count,
                JobStatus::Failed => health.jobs_failed += count - healed,
                JobStatus::Done | JobStatus::Cancelled => {}
            }
        }
        Ok(health)
    }
}
