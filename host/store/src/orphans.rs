//! Orphans: packs in storage that no repo refers to.

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::LockMode;
use packhouse_model::error::{Error, Result};
use packhouse_model::operation::PruneOptions;
use packhouse_model::progress::Progress;
use packhouse_model::report::{KeptPack, PruneReport};
use packhouse_vault::ListedPack;

use super::Store;
use super::prune::{BATCH, keep};
use super::replaced::{CheckedPacks, Lack};

/// How old an orphan must be. No push is writing it, but a backup may be being restored.
const ORPHAN_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Repos that one page of the catalog lists.
const PAGE: u32 = 1000;

impl Store {
    /// Finds packs that no repo knows; deletes the old ones.
    pub(super) async fn prune_orphans(
        &self,
        now: Timestamp,
        options: PruneOptions,
        checked: &mut CheckedPacks,
        report: &mut PruneReport,
        progress: &Progress,
    ) -> Result<()> {
        let listed = self.vault.list().await?;
        let mut old = Vec::new();
        for batch in listed.chunks(BATCH) {
            let orphans = self.unknown(batch).await?;
            report.orphans += orphans.len() as u64;
            report.orphan_bytes += orphans.iter().map(|pack| pack.bytes).sum::<u64>();
            old.extend(
                orphans.into_iter().filter(|pack| now.duration_since(pack.modified) >= ORPHAN_AGE),
            );
        }
        if !options.orphans || old.is_empty() {
            return Ok(());
        }
        // With packs of several catalogs in one place, each would take the others' for orphans.
        if report.orphans == listed.len() as u64 {
            return Err(Error::Unsupported(format!(
                "the catalog {} knows none of the {} packs in {}. Check that it is the right catalog; no orphan was deleted",
                self.catalog.place(),
                listed.len(),
                self.vault.place()
            )));
        }
        // Lost records may be in an orphan; and a catalog that lacks packs may be an older one,
        // from a backup: its orphans may be the only copy.
        if let Some(lack) = self.first_lack(checked, progress).await? {
            let detail = lack.keeps_orphan(&self.vault.place());
            let kept = |pack: &ListedPack| KeptPack {
                repo: lack.repo.clone(),
                pack: pack.key,
                detail: detail.clone(),
            };
            keep(report, old.iter().map(kept).collect());
            return Ok(());
        }
        if options.dry_run {
            report.orphans_deleted = old.len() as u64;
            return Ok(());
        }
        let mut failed = None;
        for old in old.chunks(BATCH) {
            let lock = self.catalog.lock(LockMode::Deleting).await?;
            // One of them may have been pushed since.
            for pack in self.unknown(old).await? {
                // One that can't be removed does not keep the others.
                if let Err(error) = self.vault.remove(&pack.key).await {
                    failed = failed.or(Some(error));
                    continue;
                }
                tracing::info!("deleted orphan {}, {} bytes", pack.key, pack.bytes);
                report.orphans_deleted += 1;
            }
            drop(lock);
        }
        failed.map_or(Ok(()), Err)
    }

    /// What the first repo that lacks something lacks. All that repos need is read and hashed, each
    /// pack once a prune.
    async fn first_lack(
        &self,
        checked: &mut CheckedPacks,
        progress: &Progress,
    ) -> Result<Option<Lack>> {
        let mut after = None;
        loop {
            let repos = self.catalog.repos(after.as_ref(), PAGE).await?;
            let Some(last) = repos.last() else { return Ok(None) };
            after = Some(last.name.clone());
            for repo in repos {
                let lack = self.lack_of(repo.id, checked, progress).await?;
                if lack.is_some() {
                    return Ok(lack);
                }
            }
        }
    }

    /// Those of some packs that no repo knows.
    async fn unknown(&self, packs: &[ListedPack]) -> Result<Vec<ListedPack>> {
        let keys: Vec<_> = packs.iter().map(|pack| pack.key).collect();
        let known = self.catalog.knows_packs(&keys).await?;
        Ok(packs.iter().zip(known).filter(|(_, known)| !known).map(|(pack, _)| *pack).collect())
    }
}
