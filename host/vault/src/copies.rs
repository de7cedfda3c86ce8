//! Copies of remote packs.

use std::sync::Arc;

use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;

use crate::cache::{DownloadEstimate, KnownPacks, PrefetchRequest};
use crate::packs::StoredPack;
use crate::vault::{Packs, Vault};

/// Copies of remote packs. Where packs are files there are none.
impl Vault {
    /// From now on, local copies are evicted by what a catalog knows: never the copy of a pack that
    /// it knows and that is missing, of another size, or damaged where packs are stored.
    pub fn consult(&self, known: Arc<dyn KnownPacks>) {
        if let Packs::Cached(cached) = &self.packs {
            cached.consult(known);
        }
    }

    /// Downloads packs before a run reads them, many at once. Returns those, by their index in
    /// `wanted`, of which it downloaded only the parts: elsewhere their bytes may be anything.
    /// Missing packs are left out: opening them reports it.
    ///
    /// # Errors
    /// When one can't be downloaded.
    pub async fn prefetch(&self, wanted: &[PrefetchRequest]) -> Result<Vec<(usize, StoredPack)>> {
        match &self.packs {
            Packs::Files(_) => Ok(Vec::new()),
            Packs::Cached(cached) => cached.prefetch(wanted).await,
        }
    }

    /// What downloading packs takes; each with its size in bytes.
    ///
    /// # Errors
    /// When the copies can't be listed.
    pub fn download_estimate(&self, packs: &[(MpackKey, u64)]) -> Result<DownloadEstimate> {
        match &self.packs {
            Packs::Files(_) => Ok(DownloadEstimate { to_download: 0, budget: u64::MAX }),
            Packs::Cached(cached) => cached.estimate(packs),
        }
    }

    /// Drops the copies of a pack; whether there was one.
    ///
    /// # Errors
    /// When one can't be removed.
    pub fn forget_copy(&self, key: &MpackKey) -> Result<bool> {
        match &self.packs {
            Packs::Files(_) => Ok(false),
            Packs::Cached(cached) => cached.forget(key),
        }
    }

    /// Drops the copies of a pack that are not what its key names; whether there was one. An intact
    /// copy stays: it may be the last.
    ///
    /// # Errors
    /// When one can't be removed.
    pub async fn forget_damaged_copy(&self, key: &MpackKey) -> Result<bool> {
        match &self.packs {
            Packs::Files(_) => Ok(false),
            Packs::Cached(cached) => cached.forget_damaged(key).await,
        }
    }
}
