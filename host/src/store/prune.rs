//! `prune`: deletes what nobody needs any more, long after it was replaced.
//!
//! A pack may go when no shelf of any repo holds it and the last repo that retired it did so a *grace* ago: longer than any URL
//! that was given out for it is good. Under [`Hold::Deleting`] nobody is between storing a pack and publishing it, so
//! what no shelf holds then, no shelf is about to hold. The catalog forgets a pack before its file goes: a crash between the two
//! leaves a file that nobody knows, an *orphan*, which a later prune finds.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Store;
use crate::catalog::{Hold, RepoRow, Retired};
use crate::error::{Error, Result};
use crate::names::MpackKey;
use crate::progress::{Phase, Progress};
use crate::report::PruneReport;
use crate::vault::ListedPack;

/// Packs that are deleted at once: pushes wait for so many.
const BATCH: usize = 64;

/// How old an orphan must be. Nobody is making it: but somebody may be restoring a backup.
const ORPHAN_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Repos that one page of the catalog lists.
const PAGE: u32 = 1000;

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// How long ago a pack must have been replaced.
    pub grace: Duration,
    /// Whether packs that no repo knows are deleted as well, when they are older than a day.
    pub orphans: bool,
    /// Only say what would be deleted.
    pub dry_run: bool,
}

impl Default for PruneOptions {
    /// A day longer than a fetch's URL can be good.
    fn default() -> Self {
        PruneOptions { grace: Duration::from_secs(8 * 24 * 3600), orphans: false, dry_run: false }
    }
}

impl Store {
    /// Deletes packs that have been replaced for as long as the grace, and answers that have expired; where asked for, old packs that
    /// no repo knows.
    ///
    /// # Errors
    /// When packs of another catalog lie in the vault, too; when something can't be listed or removed; when orphans are to go and the catalog knows
    /// no pack of the vault, or misses one. What was deleted until then stays deleted, and the rest is found again.
    pub async fn prune(&self, options: PruneOptions, progress: &Progress) -> Result<PruneReport> {
        let catalogs = self.vault.register(&self.catalog.identity()).await?;
        if catalogs.len() > 1 {
            // What the others need is not known here (law 10).
            return Err(Error::Unsupported(format!(
                "the packs in {} are those of {} catalogs: {}. Which of them the others need can't be told, so nothing is deleted; give each catalog packs of its own, or, when one is gone, remove its note from the folder `catalogs` there",
                self.vault.place(),
                catalogs.len(),
                catalogs.join(", ")
            )));
        }
        let now = self.world.now();
        let too_long = || Error::Usage("the grace is too long".into());
        let grace = SignedDuration::try_from(options.grace).map_err(|_| too_long())?;
        let unneeded = self.catalog.unneeded_packs().await?;
        let due_at = |retired: &Retired| retired.at.checked_add(grace).map_err(|_| too_long());
        let (mut due, mut next_due, mut waiting, mut waiting_bytes) = (Vec::new(), None, 0, 0);
        for retired in unneeded {
            let at = due_at(&retired)?;
            if at <= now {
                due.push(retired);
                continue;
            }
            waiting += 1;
            waiting_bytes += retired.pack.bytes;
            next_due = next_due.min(Some(at)).or(Some(at));
        }
        let mut report = PruneReport {
            packs_deleted: 0,
            bytes_deleted: 0,
            packs_waiting: waiting,
            bytes_waiting: waiting_bytes,
            next_due,
            answers_deleted: 0,
            orphans: 0,
            orphan_bytes: 0,
            orphans_deleted: 0,
            dry_run: options.dry_run.then_some(true),
        };
        let total = due.iter().map(|retired| retired.pack.bytes).sum();
        for batch in due.chunks(BATCH) {
            progress.at("the store", Phase::Delete, report.bytes_deleted, total)?;
            self.delete(batch, now.checked_sub(grace).unwrap_or(Timestamp::MIN), options.dry_run, &mut report).await?;
        }
        report.answers_deleted = self.expire_all_answers(now, options.dry_run).await?;
        self.prune_orphans(now, options, &mut report).await?;
        Ok(report)
    }

    /// Deletes packs, except those that somebody needs again, or has retired later than `until`.
    async fn delete(&self, packs: &[Retired], until: Timestamp, dry_run: bool, report: &mut PruneReport) -> Result<()> {
        let by_key: BTreeMap<MpackKey, &Retired> = packs.iter().map(|retired| (retired.pack.key, retired)).collect();
        let keys: Vec<MpackKey> = by_key.keys().copied().collect();
        let holding = if dry_run { None } else { Some(self.catalog.hold(Hold::Deleting).await?) };
        let gone = match &holding {
            None => keys,
            Some(holding) => self.catalog.forget_packs(&keys, until, holding).await?,
        };
        let mut failed = None;
        for key in &gone {
            let Some(retired) = by_key.get(key) else { continue };
            if !dry_run {
                // They are all forgotten: one that can't be removed does not keep the others.
                if let Err(error) = self.vault.remove(key).await {
                    failed.get_or_insert(error);
                    continue;
                }
                tracing::info!("deleted pack {key}, {} bytes, which was replaced at {}", retired.pack.bytes, retired.at);
            }
            report.packs_deleted += 1;
            report.bytes_deleted += retired.pack.bytes;
        }
        drop(holding);
        failed.map_or(Ok(()), Err)
    }

    /// Removes a repo's answers that have expired; gives how many there were. The file goes first: an answer that nobody knows of would
    /// stay for ever. Nobody makes the same answer meanwhile.
    pub(super) async fn expire_answers(&self, repo: &RepoRow, now: Timestamp, dry_run: bool) -> Result<u64> {
        // Most repos have none, and need not wait for anybody.
        let expired = self.catalog.expired_answers(repo.id, now).await?;
        if expired.is_empty() || dry_run {
            return Ok(expired.len() as u64);
        }
        let holding = self.catalog.hold(Hold::Deleting).await?;
        let expired = self.catalog.expired_answers(repo.id, now).await?;
        for key in &expired {
            self.vault.remove_answer(&repo.repo_id, key).await?;
        }
        self.catalog.forget_answers(repo.id, now).await?;
        drop(holding);
        Ok(expired.len() as u64)
    }

    async fn expire_all_answers(&self, now: Timestamp, dry_run: bool) -> Result<u64> {
        let mut expired = 0;
        let mut after = None;
        loop {
            let repos = self.catalog.repos(after.as_ref(), PAGE).await?;
            let Some(last) = repos.last() else { return Ok(expired) };
            after = Some(last.name.clone());
            for repo in &repos {
                expired += self.expire_answers(repo, now, dry_run).await?;
            }
        }
    }

    /// Finds packs that no repo knows; deletes the old ones.
    async fn prune_orphans(&self, now: Timestamp, options: PruneOptions, report: &mut PruneReport) -> Result<()> {
        let listed = self.vault.list().await?;
        let mut old = Vec::new();
        for batch in listed.chunks(BATCH) {
            let orphans = self.unknown(batch).await?;
            report.orphans += orphans.len() as u64;
            report.orphan_bytes += orphans.iter().map(|pack| pack.bytes).sum::<u64>();
            old.extend(orphans.into_iter().filter(|pack| now.duration_since(pack.modified) >= ORPHAN_AGE));
        }
        if !options.orphans || old.is_empty() {
            return Ok(());
        }
        // With packs of several catalogs in one place, each would take the others' for orphans.
        if report.orphans == listed.len() as u64 {
            return Err(Error::Unsupported(format!(
                "the catalog {} knows none of the {} packs in {}: is it the right one? None of them was deleted",
                self.catalog.place(),
                listed.len(),
                self.vault.place()
            )));
        }
        // A catalog that lacks packs is an older one, from a backup maybe: what it takes for an orphan may be all that is left.
        let there: HashSet<MpackKey> = listed.iter().map(|pack| pack.key).collect();
        if let Some(missing) = self.catalog.held_packs().await?.into_iter().find(|key| !there.contains(key)) {
            return Err(Error::Unsupported(format!(
                "pack {missing}, which a repo needs, is not in {}; as long as something is missing no orphan is deleted. `packhouse verify` tells what is",
                self.vault.place()
            )));
        }
        if options.dry_run {
            report.orphans_deleted = old.len() as u64;
            return Ok(());
        }
        for old in old.chunks(BATCH) {
            let holding = self.catalog.hold(Hold::Deleting).await?;
            // Somebody may have pushed one of them since.
            for pack in self.unknown(old).await? {
                self.vault.remove(&pack.key).await?;
                tracing::info!("deleted {}, {} bytes, which no repo knows", pack.key, pack.bytes);
                report.orphans_deleted += 1;
            }
            drop(holding);
        }
        Ok(())
    }

    /// Those of some packs that no repo knows.
    async fn unknown(&self, packs: &[ListedPack]) -> Result<Vec<ListedPack>> {
        let keys: Vec<_> = packs.iter().map(|pack| pack.key).collect();
        let known = self.catalog.knows_packs(&keys).await?;
        Ok(packs.iter().zip(known).filter(|(_, known)| !known).map(|(pack, _)| *pack).collect())
    }
}
