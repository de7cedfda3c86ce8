//! Saving packs: from staging to the vault, which may be remote.

use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::progress::{Phase, Progress};
use packhouse_vault::StagedFile;

use super::Store;

impl Store {
    /// Stores staged files of so many bytes as the packs of their keys, with progress.
    pub(super) async fn store_with_progress(
        &self,
        repo: &str,
        staged: Vec<(StagedFile, MpackKey)>,
        bytes: u64,
        progress: &Progress,
    ) -> Result<()> {
        self.with_progress(
            repo,
            Phase::Publish,
            bytes,
            |traffic| traffic.bytes_up,
            progress,
            self.vault.store_all(staged),
        )
        .await
    }
}
