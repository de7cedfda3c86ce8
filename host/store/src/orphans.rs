//! Orphans: packs in storage that no repo refers to.

use jiff::SignedDuration;
use packhouse_catalog::LockMode;
use packhouse_model::error::{DeletionError, Result};
use packhouse_model::progress::Progress;
use packhouse_model::report::KeptPack;
use packhouse_vault::ListedPack;

use super::Store;
use super::prune::{BATCH, Pruning};
use super::replaced::{CheckedPacks, Lack};

/// How old an orphan must be. No push is writing it, but a backup may be being restored.
const ORPHAN_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Repos that one page of the catalog lists.
const PAGE: u32 = 1000;

impl Store {
    /// Finds packs that no repo knows; deletes the old ones.
    pub(super) async fn prune_orphans(&self, pruning: &mut Pruning<'_>) -> Result<()> {
        let old = self.old_orphans(pruning).await?;
        if !pruning.options.orphans || old.is_empty() {
            return Ok(());
        }
        // Lost records may be in an orphan; and a catalog that lacks packs may be an older one,
        // from a backup: its orphans may be the only copy.
        if let Some(lack) = self.first_lack(&mut pruning.checked, pruning.progress).await? {
            let detail = lack.keeps_orphan(&self.vault.place());
            let kept = |pack: &ListedPack| KeptPack {
                repo: lack.repo.clone(),
                pack: pack.key,
                detail: detail.clone(),
            };
            pruning.keep(old.iter().map(kept).collect());
            return Ok(());
        }
        if pruning.options.dry_run {
            pruning.report.orphans_deleted = old.len() as u64;
            return Ok(());
        }
        self.delete_orphans(&old, &mut pruning.report.orphans_deleted).await
    }

    /// The orphans that are old; counts all of them. Fails where there is nothing else, if they are
    /// to be deleted.
    async fn old_orphans(&self, pruning: &mut Pruning<'_>) -> Result<Vec<ListedPack>> {
        let listed = self.vault.list().await?;
        let mut old = Vec::new();
        for batch in listed.chunks(BATCH) {
            let orphans = self.unknown(batch).await?;
            pruning.report.orphans += orphans.len() as u64;
            pruning.report.orphan_bytes += orphans.iter().map(|pack| pack.bytes).sum::<u64>();
            let is_old =
                |pack: &ListedPack| pruning.now.duration_since(pack.modified) >= ORPHAN_AGE;
            old.extend(orphans.into_iter().filter(is_old));
        }
        // With packs of several catalogs in one place, each would take the others' for orphans.
        let deletes = pruning.options.orphans && !old.is_empty();
        if deletes && pruning.report.orphans == listed.len() as u64 {
            return Err(DeletionError::OnlyOrphans {
                catalog: self.catalog.place(),
                packs: listed.len(),
                place: self.vault.place(),
            }
            .into());
        }
        Ok(old)
    }

    async fn delete_orphans(&self, orphans: &[ListedPack], deleted: &mut u64) -> Result<()> {
        let mut done = Ok(());
        for batch in orphans.chunks(BATCH) {
            let lock = self.catalog.lock(LockMode::Deleting).await?;
            // One of them may have been pushed since.
            for pack in self.unknown(batch).await? {
                // One that can't be removed does not keep the others.
                if let Err(error) = self.vault.remove(&pack.key).await {
                    done = done.and(Err(error));
                    continue;
                }
                tracing::info!("deleted orphan {}, {} bytes", pack.key, pack.bytes);
                *deleted += 1;
            }
            drop(lock);
        }
        done
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
