//! Saving packs: from staging to the vault, which may be remote.

use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::progress::{Phase, Progress};
use packhouse_vault::StagedFile;

use super::Store;

impl Store {
    /// Stores a staged file as the pack of a key, with progress.
    pub(super) async fn store_with_progress(
        &self,
        repo: &str,
        staged: StagedFile,
        key: &MpackKey,
        bytes: u64,
        progress: &Progress,
    ) -> Result<()> {
        self.with_progress(
            repo,
            Phase::Publish,
            bytes,
            |traffic| traffic.bytes_up,
            progress,
            self.vault.store(staged, key),
        )
        .await
    }
}
