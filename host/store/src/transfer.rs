//! The progress of what is sent to a remote vault, or received from it.

use std::time::Duration;

use packhouse_model::error::Result;
use packhouse_model::progress::{Phase, Progress};
use packhouse_vault::Traffic;

use super::Store;

/// How often progress is reported and cancellation checked.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

impl Store {
    /// Reports the progress of a transfer of `total` bytes, and stops it when it is cancelled.
    /// Concurrent transfers count as well: it is an estimate.
    pub(super) async fn with_progress<T>(
        &self,
        repo: &str,
        phase: Phase,
        total: u64,
        moved: impl Fn(Traffic) -> u64,
        progress: &Progress,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        if !self.vault.is_remote() {
            return work.await;
        }
        let before = moved(self.vault.traffic());
        let mut looks = tokio::time::interval(POLL_INTERVAL);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = looks.tick() => {
                    let done = moved(self.vault.traffic()).saturating_sub(before);
                    progress.at(repo, phase, done.min(total), total)?;
                }
            }
        }
    }
}
