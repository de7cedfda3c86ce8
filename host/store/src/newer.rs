//! A catalog that is older than its packs: restored from a backup, or copied without its log.
//!
//! For such a catalog the packs of the last pushes are unknown packs, *orphans*. So are those of a
//! push that was interrupted between storing a pack and publishing it. The two cases can't be
//! distinguished, and a pack that may be the only copy of a push is not deleted on a guess.

use std::time::Duration;

use packhouse_catalog::LockMode;
use packhouse_model::error::{DeletionError, Result};
use packhouse_model::report::NewerPacks;
use packhouse_vault::ListedPack;

use super::Store;

/// Packs that the catalog is asked about at once.
const BATCH: usize = 64;

/// How long is waited for pushes that are between storing a pack and publishing it.
const PUSHES: Duration = Duration::from_secs(10);

impl Store {
    /// Looks for packs in storage that are in no repo, no retired row and no job, and that are
    /// newer than the catalog's newest: then the catalog may be an old copy. Changes nothing.
    ///
    /// # Errors
    /// When the packs can't be listed, or the catalog can't be read.
    pub async fn newer_packs(&self) -> Result<Option<NewerPacks>> {
        // First the list: a pack that is pushed afterwards is known when the catalog is read.
        let listed = self.vault.list().await?;
        let mut unknown = self.unknown_of(&listed).await?;
        if unknown.is_empty() {
            return Ok(None);
        }
        // Under the lock no push is between storing and publishing: unknown packs are not of a
        // running push.
        if let Ok(Ok(lock)) =
            tokio::time::timeout(PUSHES, self.catalog.lock(LockMode::Deleting)).await
        {
            unknown = self.unknown_of(&unknown).await?;
            drop(lock);
        }
        let is_unknown = |pack: &ListedPack| unknown.iter().any(|other| other.key == pack.key);
        let known = listed.iter().filter(|pack| !is_unknown(pack)).map(|pack| pack.modified).max();
        let last_known = self.catalog.last_stored().await?;
        // By the clock of the storage and by that of the catalog: files that were copied have other
        // times.
        let since = [known, last_known].into_iter().flatten().min();
        unknown.retain(|pack| since.is_none_or(|since| pack.modified >= since));
        let Some(newest) = unknown.iter().map(|pack| pack.modified).max() else { return Ok(None) };
        Ok(Some(NewerPacks {
            packs: unknown.len() as u64,
            bytes: unknown.iter().map(|pack| pack.bytes).sum(),
            newest,
            last_known,
            knows_some: known.is_some(),
            catalog: self.catalog.place(),
            place: self.vault.place(),
        }))
    }

    /// Refuses to delete packs that no repo knows where the catalog looks older than they are.
    pub(super) async fn refuse_newer(&self) -> Result<()> {
        match self.newer_packs().await? {
            // Where it knows none at all, it is another catalog: that is said elsewhere.
            Some(newer) if newer.knows_some => Err(DeletionError::OldCatalog(newer).into()),
            _ => Ok(()),
        }
    }

    async fn unknown_of(&self, packs: &[ListedPack]) -> Result<Vec<ListedPack>> {
        let mut unknown = Vec::new();
        for batch in packs.chunks(BATCH) {
            let keys: Vec<_> = batch.iter().map(|pack| pack.key).collect();
            let known = self.catalog.knows_packs(&keys).await?;
            unknown
                .extend(batch.iter().zip(known).filter(|(_, known)| !known).map(|(pack, _)| *pack));
        }
        Ok(unknown)
    }
}
