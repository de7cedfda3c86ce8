//! Prepares a repo's packs for a run: finds them, and loads their directories.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use packhouse_catalog::{PackRow, Shelf};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::files::key_of;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::{Phase, Progress};
use packhouse_pack::{Directory, ExaminedPack, ScannedPack};
use packhouse_run::{
    Directories, Locator, PackReader, RunPack, damaged_pack, keep_directory, missing_pack,
    put_directory,
};
use packhouse_vault::StoredPack;
use tokio::runtime::Handle;

use super::{Store, TRIES, blocking};

/// The packs on shelves, each once: those with more records first, equal ones by key.
///
/// A record that is in several packs is copied from the first: from the large one, in long runs.
pub(super) fn distinct_packs(shelves: &[Shelf]) -> Vec<PackRow> {
    let by_id: BTreeMap<i64, &PackRow> = shelves.iter().map(|s| (s.pack.id, &s.pack)).collect();
    let mut packs: Vec<PackRow> = by_id.into_values().cloned().collect();
    packs.sort_by(|a, b| b.records.cmp(&a.records).then(a.key.cmp(&b.key)));
    packs
}

/// The key of a stored pack's bytes as they are now.
pub(super) fn hash(pack: &StoredPack) -> Result<MpackKey> {
    key_of(&pack.file).map_err(Error::io("reading", &pack.path))
}

/// Reads a stored pack whole.
pub(super) fn examine(
    pack: &StoredPack,
    tick: impl FnMut(u64) -> Result<()>,
) -> Result<ExaminedPack> {
    packhouse_pack::examine(&pack.file, &pack.path, tick)
}

impl Store {
    pub(super) async fn open_pack(&self, repo: &RepoName, key: &MpackKey) -> Result<StoredPack> {
        self.vault.open(key).await?.ok_or_else(|| self.missing(repo, key))
    }

    /// Opens a pack for its bytes alone: a copy of it will do.
    pub(super) async fn open_cached(&self, repo: &RepoName, key: &MpackKey) -> Result<StoredPack> {
        self.vault.open_cached(key).await?.ok_or_else(|| self.missing(repo, key))
    }

    /// Reads a pack whole; it is sound.
    pub(super) async fn read_sound(
        &self,
        repo: &RepoName,
        key: &MpackKey,
        progress: &Progress,
    ) -> Result<(StoredPack, ScannedPack)> {
        let stored = self.open_pack(repo, key).await?;
        let (progress, name, total) = (progress.clone(), repo.to_string(), stored.bytes);
        let (stored, examined) = blocking(move || {
            let examined = examine(&stored, |done| progress.at(&name, Phase::Verify, done, total))?;
            Ok((stored, examined))
        })
        .await?;
        let scanned = examined.sound(key).map_err(|detail| self.damaged(repo, key, detail))?;
        Ok((stored, scanned))
    }

    pub(super) fn missing(&self, repo: &RepoName, key: &MpackKey) -> Error {
        missing_pack(&self.vault, repo, key)
    }

    /// Whether a missing pack was deleted because it is not used any more: then the plan is old,
    /// and is made again. The same holds for a damaged pack that was read from a copy: the pack
    /// itself may be intact.
    pub(super) async fn is_stale(&self, repo: i64, error: &Error) -> Result<bool> {
        if let Error::Damage(DamageError::DamagedPack { key, .. }) = error {
            let copied = self.vault.forget_damaged_copy(key).await?;
            if copied {
                tracing::warn!("a damaged copy of pack {key} was dropped: {error}");
            }
            return Ok(copied);
        }
        let Error::Damage(DamageError::MissingPack { key, .. }) = error else { return Ok(false) };
        let shelves = self.catalog.snapshot(repo).await?.shelves().await?;
        Ok(!shelves.iter().any(|shelf| shelf.pack.key == *key))
    }

    /// Tries until what was tried is not overtaken by a consolidation and a deletion.
    pub(super) async fn until_current<'a, T>(
        &self,
        repo: i64,
        attempt: impl Fn() -> Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>> + Send,
    ) -> Result<T> {
        for tries in 1.. {
            match attempt().await {
                Err(error) if tries < TRIES && self.is_stale(repo, &error).await? => {}
                done => return done,
            }
        }
        unreachable!("the loop ends by returning")
    }

    pub(super) fn damaged(&self, repo: &RepoName, key: &MpackKey, detail: String) -> Error {
        damaged_pack(&self.vault, repo, key, detail)
    }

    /// The directories of packs, in their order. Those that are missing or damaged are rebuilt from
    /// the packs, whose bytes must then match their keys.
    pub(super) async fn directories(
        &self,
        repo: &RepoName,
        packs: &[PackRow],
    ) -> Result<Vec<RunPack>> {
        let found = self.directories_of(repo).all(packs).await?;
        Ok(found.into_iter().map(RunPack::stored).collect())
    }

    pub(super) fn directories_of(&self, repo: &RepoName) -> Directories {
        Directories::new(repo.clone(), self.vault.clone())
    }

    /// Finds records in packs of a repo.
    pub(super) fn locator(&self, repo: &RepoName, packs: Vec<PackRow>) -> Locator {
        Locator::new(repo.clone(), self.vault.clone(), self.directory_heads.clone(), packs)
    }

    /// Stores a directory beside its pack. It is a cache: without it the next run rebuilds it.
    pub(super) async fn keep_directory(&self, directory: Directory) {
        keep_directory(&self.vault, directory).await;
    }

    /// The same, for a caller who needs to know whether it was stored.
    pub(super) async fn put_directory(&self, directory: Directory) -> Result<()> {
        put_directory(&self.vault, directory).await
    }

    /// Packs ready to be read by a run.
    pub(super) fn run_packs(&self, repo: &RepoName, packs: Arc<Vec<RunPack>>) -> PackReader {
        PackReader::new(repo.clone(), self.vault.clone(), Handle::current(), packs)
    }
}
