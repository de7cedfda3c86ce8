//! Eviction of local copies: the least recently used, and none that may be the last good one.
//!
//! | the catalog | the remote store | the copy |
//! |---|---|---|
//! | does not know the pack | | goes: it was pruned, or is an answer |
//! | knows it as damaged | | stays |
//! | knows it | has it, with the copy's version and size | goes |
//! | knows it | has another object under its key, whose hash is the key | goes |
//! | knows it | does not have it, or has something else | stays |
//!
//! If catalog or store don't answer, copies stay as well. So the spool may exceed its budget.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;

use super::download::Downloader;
use super::spool::{Copy, Spool};
use crate::objects::ObjectName;

/// Copies that the catalog is asked about at once.
const BATCH: usize = 16;

/// How long the catalog may take: the caller may hold connections that the answer needs.
const CATALOG_TIMEOUT: Duration = Duration::from_secs(5);

/// What the catalog knows of packs.
#[async_trait]
pub trait KnownPacks: Send + Sync + std::fmt::Debug {
    /// For each key, whether a repo or a job needs that pack, or may need it again.
    async fn knows(&self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// Packs that are known to be damaged.
    async fn damaged(&self) -> Result<Vec<MpackKey>>;
}

/// Which copies may go.
#[derive(Debug)]
pub(super) struct Evictor {
    /// What the catalog knows of packs.
    known_packs: OnceLock<Arc<dyn KnownPacks>>,
    /// Whether it was said that the spool is larger than its budget.
    exceeded: Once,
}

impl Evictor {
    pub(super) fn new() -> Evictor {
        Evictor { known_packs: OnceLock::new(), exceeded: Once::new() }
    }

    /// Asks a catalog from now on.
    pub(super) fn consult(&self, known: Arc<dyn KnownPacks>) {
        // Of two catalogs the first counts: each has a vault of its own.
        let _ = self.known_packs.set(known);
    }

    /// Evicts copies until the others fit. The newest stays.
    pub(super) async fn evict(
        &self,
        spool: &Spool,
        remote: &Downloader,
        newest: &Path,
    ) -> Result<()> {
        let (mut excess, copies) = spool.excess(newest)?;
        if excess == 0 {
            return Ok(());
        }
        let mut kept = 0_u64;
        for batch in copies.chunks(BATCH) {
            let keys: Vec<MpackKey> = batch.iter().map(|copy| copy.key).collect();
            let Some((known, damaged)) = self.known(&keys).await else { return Ok(()) };
            for (copy, known) in batch.iter().zip(known) {
                if excess == 0 {
                    return Ok(());
                }
                if known && (damaged.contains(&copy.key) || !is_stored(copy, remote).await) {
                    kept += 1;
                    continue;
                }
                copy.remove()?;
                excess = excess.saturating_sub(copy.bytes);
            }
        }
        if kept > 0 {
            // Each pack that is read may try to evict.
            self.exceeded.call_once(|| {
                tracing::warn!(
                    "local copies are kept beyond PACKHOUSE_SPOOL_BYTES, because their packs were not found intact in {} (number of copies: {kept}); run: packhouse verify --repair",
                    remote.packs().place()
                );
            });
        }
        Ok(())
    }

    /// For each key, whether the catalog knows that pack; and all packs that it knows to be damaged.
    /// None when it does not answer. Without a catalog, each pack may be needed.
    async fn known(&self, keys: &[MpackKey]) -> Option<(Vec<bool>, BTreeSet<MpackKey>)> {
        let Some(catalog) = self.known_packs.get() else {
            return Some((vec![true; keys.len()], BTreeSet::new()));
        };
        let asked = async {
            let damaged = catalog.damaged().await?.into_iter().collect();
            Ok::<_, Error>((catalog.knows(keys).await?, damaged))
        };
        let answered = tokio::time::timeout(CATALOG_TIMEOUT, asked).await;
        match answered.unwrap_or(Err(Error::Cancelled)) {
            Ok(known) => Some(known),
            Err(error) => {
                tracing::warn!("no local copy was evicted, the catalog does not answer: {error}");
                None
            }
        }
    }
}

/// Whether the remote store has what a copy is of.
async fn is_stored(copy: &Copy, remote: &Downloader) -> bool {
    let object = ObjectName::Pack(copy.key);
    let stored = async {
        let Some(found) = remote.packs().info(&object).await? else { return Ok(false) };
        if found.bytes != copy.bytes {
            return Ok(false);
        }
        // A rewritten object may have other bytes.
        Ok(copy.is_of(found.version.as_deref()) || remote.hash(&object).await? == Some(copy.key))
    };
    stored.await.unwrap_or_else(|error: Error| {
        tracing::warn!("the local copy of pack {} is not evicted: {error}", copy.key);
        false
    })
}
