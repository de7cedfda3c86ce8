//! Checks that a storage is the one with the catalog's packs.
//!
//! A vault has an ID, created by its first writer; the catalog records the ID of its own vault.
//! With another storage, by a mistake in `--storage`, it would start a second history there. A
//! folder or a bucket that is moved or copied as a whole keeps its ID.

use std::collections::HashSet;

use packhouse_model::error::{Error, OpenError, Result};

use super::Store;

/// The name under which the catalog stores the ID.
const STORAGE: &str = "storage";

impl Store {
    /// Refuses a storage that is not the one that the catalog has recorded. Changes nothing.
    pub(super) async fn check_storage(&self) -> Result<()> {
        match self.catalog.kept(STORAGE).await? {
            // Nothing was written yet, or only by an older packhouse without this check.
            None => Ok(()),
            Some(known) => self.same_storage(Some(known), self.vault.identity().await?).await,
        }
    }

    /// The same, and records the storage.
    pub(super) async fn remember_storage(&self) -> Result<()> {
        let (known, found) = (self.catalog.kept(STORAGE).await?, self.vault.identity().await?);
        if known.is_some() && known == found {
            return Ok(());
        }
        self.same_storage(known, found).await?;
        let mut fresh = [0; 32];
        fresh[..16].copy_from_slice(&self.clock.random_id());
        fresh[16..].copy_from_slice(&self.clock.random_id());
        // A catalog without packs may choose another storage, if no other catalog uses it. A new
        // storage gets its own ID; otherwise two would have the same.
        let is_new = self.catalog.held_packs().await?.is_empty();
        if is_new {
            let others = self.vault.catalogs(&self.catalog.identity()).await?.split_off(1);
            if !others.is_empty() {
                let (catalog, place) = (self.catalog.place(), self.vault.place());
                return Err(Error::Open(OpenError::StorageTaken { catalog, place, others }));
            }
        }
        let known = if is_new { None } else { known };
        let identity = self.vault.identify(found.or(known).unwrap_or(fresh)).await?;
        self.catalog.keep(STORAGE, identity).await
    }

    /// Fails if a storage can't be the catalog's: the catalog has packs, and they are elsewhere.
    async fn same_storage(&self, known: Option<[u8; 32]>, found: Option<[u8; 32]>) -> Result<()> {
        if known.is_some() && known == found {
            return Ok(());
        }
        let held = self.catalog.held_packs().await?;
        if held.is_empty() {
            return Ok(());
        }
        let (catalog, place) = (self.catalog.place(), self.vault.place());
        if known.is_some() && found.is_some() {
            return Err(Error::Open(OpenError::WrongStorage {
                catalog,
                place,
                instead: "those of another store are",
            }));
        }
        // One of the two is older than this check, or was copied without its ID: then the packs
        // themselves decide.
        let there: HashSet<_> = self.vault.list().await?.into_iter().map(|pack| pack.key).collect();
        match held.iter().any(|key| there.contains(key)) {
            true => Ok(()),
            false => Err(Error::Open(OpenError::WrongStorage {
                catalog,
                place,
                instead: "none of them is",
            })),
        }
    }
}
