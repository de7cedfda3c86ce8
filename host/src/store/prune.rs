//! `prune`: deletes packs that are not used any more, long after they were replaced.
//!
//! A pack is deleted when it is on no shelf of any repo and the last repo that retired it did so a
//! *grace* ago: longer than any URL of it is valid; and when what replaces it exists and is sound
//! ([`super::replaced`]). Under [`LockMode::Deleting`] no push is between storing a pack and
//! publishing it, so a pack on no shelf is not about to be on one. The file is deleted before the
//! catalog forgets the pack: what a crash or a failed request leaves between the two is a pack that
//! waits for deletion, and the next prune finishes it. On a full disk, space is free before the
//! catalog is written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::replaced::CheckedPacks;
use super::{Store, TRIES};
use crate::catalog::{LockMode, UnneededPack};
use crate::error::{Error, Result};
use crate::names::{MpackKey, RepoId, RepoName};
use crate::progress::{Phase, Progress};
use crate::report::{KeptPack, PruneReport};
use crate::vault::ListedPack;

/// Packs that are deleted at once: pushes wait for so many.
const BATCH: usize = 64;

/// How old an orphan must be. No push is writing it, but a backup may be being restored.
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
    /// Whether they are deleted even where the catalog looks older than they are, and they may be
    /// all that is left of pushes.
    pub newer: bool,
    /// Only say what would be deleted.
    pub dry_run: bool,
    /// How recently a pack that replaces others must have been read and hashed whole, to be
    /// trusted. Zero: it is read now.
    pub trust_verified: Duration,
}

impl Default for PruneOptions {
    /// A day longer than a fetch's URL can be good.
    fn default() -> Self {
        PruneOptions {
            grace: Duration::from_secs(8 * 24 * 3600),
            orphans: false,
            newer: false,
            dry_run: false,
            trust_verified: Duration::ZERO,
        }
    }
}

impl Store {
    /// Deletes packs that were replaced longer than the grace ago, and expired answers; on request,
    /// old packs that no repo knows. What may be the last good copy of something is kept, and
    /// reported.
    ///
    /// # Errors
    /// When packs of another catalog are in the vault, too; when something can't be listed or
    /// removed; when orphans are to be deleted and the catalog knows no pack of the vault, or looks
    /// older than the packs. What was deleted until then stays deleted, and the next prune does the
    /// rest.
    pub async fn prune(&self, options: PruneOptions, progress: &Progress) -> Result<PruneReport> {
        if !options.dry_run {
            self.begin_writing().await?;
        }
        let catalogs = self.vault.catalogs(&self.catalog.identity()).await?;
        if catalogs.len() > 1 {
            // What the others need is not known here (law 10).
            return Err(Error::Unsupported(format!(
                "the packs in {} belong to {} catalogs: {}. It is not known which packs the other catalogs need, so nothing is deleted. Give each catalog its own storage, or, if a catalog no longer exists, remove its note from the folder `catalogs` there",
                self.vault.place(),
                catalogs.len(),
                catalogs.join(", ")
            )));
        }
        if options.orphans && !options.newer {
            self.refuse_newer().await?;
        }
        let now = self.agreed_time().await?;
        if !options.dry_run {
            // What a clock that was ahead has dated counts from now on. On a full disk it waits: a
            // time in the future is taken for the present one below.
            unless_full(self.catalog.settle_times(now, None).await.map(drop))?;
        }
        let too_long = || Error::Usage("the grace is too long".into());
        let grace = SignedDuration::try_from(options.grace).map_err(|_| too_long())?;
        let unneeded = self.catalog.unneeded_packs().await?;
        let trust = SignedDuration::try_from(options.trust_verified)
            .map_err(|_| Error::Usage("the age is too long".into()))?;
        let due_at =
            |retired: &UnneededPack| retired.at.min(now).checked_add(grace).map_err(|_| too_long());
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
            packs_kept: 0,
            kept: Vec::new(),
            dry_run: options.dry_run.then_some(true),
        };
        let until = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        let mut forgotten = true;
        if !options.dry_run {
            // Before their packs: what can be restored is whole. On a full disk there is room for
            // it only when other packs have gone.
            forgotten = unless_full(self.forget_deleted(until, now).await)?;
        }
        let mut checked = CheckedPacks::new(now, trust);
        let mut done =
            self.prune_due(&due, options, (now, grace), &mut checked, &mut report, progress).await;
        if !forgotten && done.is_ok() {
            done = self
                .prune_deleted(options, (now, grace), &mut checked, &mut report, progress)
                .await;
        }
        // However it ended: what was read was read. On a disk that is full, only now there may be
        // room to say so; and answers and orphans are kept for what is known.
        self.note_found(&checked.findings()).await;
        done?;
        report.answers_deleted = self.expire_answers_of_all(now, options.dry_run).await?;
        self.prune_orphans(now, options, &mut report).await?;
        report.packs_kept =
            report.kept.iter().map(|kept| kept.pack).collect::<BTreeSet<_>>().len() as u64;
        Ok(report)
    }

    /// Removes deleted repos, for which there was no room before, and their packs.
    async fn prune_deleted(
        &self,
        options: PruneOptions,
        (now, grace): (Timestamp, SignedDuration),
        checked: &mut CheckedPacks,
        report: &mut PruneReport,
        progress: &Progress,
    ) -> Result<()> {
        let until = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        self.forget_deleted(until, now).await?;
        let mut due = self.catalog.unneeded_packs().await?;
        let kept: BTreeSet<MpackKey> = report.kept.iter().map(|kept| kept.pack).collect();
        due.retain(|unneeded| unneeded.at <= until && !kept.contains(&unneeded.pack.key));
        self.prune_due(&due, options, (now, grace), checked, report, progress).await
    }

    async fn prune_due(
        &self,
        due: &[UnneededPack],
        options: PruneOptions,
        (now, grace): (Timestamp, SignedDuration),
        checked: &mut CheckedPacks,
        report: &mut PruneReport,
        progress: &Progress,
    ) -> Result<()> {
        let until = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        let total = due.iter().map(|retired| retired.pack.bytes).sum();
        for batch in due.chunks(BATCH) {
            progress.at("the store", Phase::Delete, report.bytes_deleted, total)?;
            self.delete(batch, until, options.dry_run, checked, report, progress).await?;
        }
        Ok(())
    }

    /// Deletes packs, except those that are used again, that a repo has retired later than `until`,
    /// or whose replacement is not sound.
    async fn delete(
        &self,
        packs: &[UnneededPack],
        until: Timestamp,
        dry_run: bool,
        checked: &mut CheckedPacks,
        report: &mut PruneReport,
        progress: &Progress,
    ) -> Result<()> {
        for _ in 0..TRIES {
            // Packs are read while others go on publishing; then it is compared whether they have.
            let (good, kept) = self.with_sound_replacement(packs, checked, progress).await?;
            let keys: Vec<MpackKey> = good.iter().map(|unneeded| unneeded.pack.key).collect();
            if dry_run || good.is_empty() {
                keep(report, kept);
                report.packs_deleted += good.len() as u64;
                report.bytes_deleted +=
                    good.iter().map(|unneeded| unneeded.pack.bytes).sum::<u64>();
                return Ok(());
            }
            let lock = self.catalog.lock(LockMode::Deleting).await?;
            let gone = self.catalog.deletable_packs(&keys, until, &lock).await?;
            if !self.still_replaced(&gone, checked).await? {
                // They have other replacements now, which were not checked.
                drop(lock);
                continue;
            }
            keep(report, kept);
            let by_key: BTreeMap<MpackKey, &UnneededPack> =
                gone.iter().map(|unneeded| (unneeded.pack.key, unneeded)).collect();
            let (mut removed, mut failed) = (Vec::new(), None);
            for key in by_key.keys() {
                // One that can't be removed does not keep the others; it goes on waiting.
                match self.vault.remove(key).await {
                    Ok(()) => removed.push(*key),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            for key in self.catalog.forget_packs(&removed, until, &lock).await? {
                let Some(unneeded) = by_key.get(&key) else { continue };
                tracing::info!(
                    "deleted pack {key}, {} bytes, replaced at {}",
                    unneeded.pack.bytes,
                    unneeded.at
                );
                report.packs_deleted += 1;
                report.bytes_deleted += unneeded.pack.bytes;
            }
            drop(lock);
            return failed.map_or(Ok(()), Err);
        }
        // They change faster than they can be read: another prune may be luckier.
        report.packs_waiting += packs.len() as u64;
        report.bytes_waiting += packs.iter().map(|unneeded| unneeded.pack.bytes).sum::<u64>();
        Ok(())
    }

    /// Removes a repo's expired answers; returns how many. The file goes first: an unrecorded
    /// answer would stay for ever. The same answer can't be assembled in the meantime. Those of a
    /// damaged repo stay: lost records may be in one.
    pub(super) async fn expire_answers(
        &self,
        repo: i64,
        id: &RepoId,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<u64> {
        // Most repos have none, and need not wait for a lock.
        let expired = self.catalog.expired_answers(repo, now).await?;
        if expired.is_empty() {
            return Ok(0);
        }
        if let Some(needs) = self.needs_of(repo).await?.filter(|needs| !needs.damage.is_empty()) {
            tracing::debug!(repo = %needs.name, "expired answers are kept, because the repo is damaged");
            return Ok(0);
        }
        if dry_run {
            return Ok(expired.len() as u64);
        }
        self.remove_answers(repo, id, now).await
    }

    /// The same for a repo that is deleted, damaged or not.
    pub(super) async fn remove_answers(
        &self,
        repo: i64,
        id: &RepoId,
        now: Timestamp,
    ) -> Result<u64> {
        if self.catalog.expired_answers(repo, now).await?.is_empty() {
            return Ok(0);
        }
        let lock = self.catalog.lock(LockMode::Deleting).await?;
        let expired = self.catalog.expired_answers(repo, now).await?;
        for key in &expired {
            self.vault.remove_answer(id, key).await?;
        }
        self.catalog.forget_answers(repo, now).await?;
        drop(lock);
        Ok(expired.len() as u64)
    }

    /// Removes the answers of all repos that have expired, those of deleted repos included; gives
    /// how many there were.
    ///
    /// # Errors
    /// When the catalog can't be read, or a file can't be removed.
    pub async fn expire_all_answers(&self) -> Result<u64> {
        self.expire_answers_of_all(self.time().await?, false).await
    }

    async fn expire_answers_of_all(&self, now: Timestamp, dry_run: bool) -> Result<u64> {
        let mut expired = 0;
        for (repo, id) in self.catalog.repos_with_expired_answers(now).await? {
            expired += self.expire_answers(repo, &id, now, dry_run).await?;
        }
        Ok(expired)
    }

    /// Finds packs that no repo knows; deletes the old ones.
    async fn prune_orphans(
        &self,
        now: Timestamp,
        options: PruneOptions,
        report: &mut PruneReport,
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
                "the catalog {} knows none of the {} packs in {}. Check that it is the right catalog; nothing was deleted",
                self.catalog.place(),
                listed.len(),
                self.vault.place()
            )));
        }
        // Lost records may be in an orphan; and a catalog that lacks packs may be an older one,
        // from a backup: its orphans may be the only copy.
        if let Some((repo, detail)) = self.first_lack(&listed).await? {
            let detail = format!(
                "{detail}; no orphan is deleted while anything is missing or damaged. Run: packhouse verify {repo}"
            );
            let kept = |pack: &ListedPack| KeptPack {
                repo: repo.clone(),
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
        for old in old.chunks(BATCH) {
            let lock = self.catalog.lock(LockMode::Deleting).await?;
            // One of them may have been pushed since.
            for pack in self.unknown(old).await? {
                self.vault.remove(&pack.key).await?;
                tracing::info!("deleted orphan {}, {} bytes", pack.key, pack.bytes);
                report.orphans_deleted += 1;
            }
            drop(lock);
        }
        Ok(())
    }

    /// A repo that needs a pack which is missing, of the wrong size, or known to be damaged; and
    /// what is wrong with it. What is not listed is looked for: it may have been pushed since.
    async fn first_lack(&self, listed: &[ListedPack]) -> Result<Option<(RepoName, String)>> {
        let there: BTreeMap<MpackKey, u64> =
            listed.iter().map(|pack| (pack.key, pack.bytes)).collect();
        let mut after = None;
        loop {
            let repos = self.catalog.repos(after.as_ref(), PAGE).await?;
            let Some(last) = repos.last() else { return Ok(None) };
            after = Some(last.name.clone());
            for repo in repos {
                let Some(needs) = self.needs_of(repo.id).await? else { continue };
                if let Some(damage) = needs.damage.first() {
                    return Ok(Some((repo.name, format!("a repo is damaged: {}", damage.detail))));
                }
                for pack in
                    needs.packs.iter().filter(|pack| there.get(&pack.key) != Some(&pack.bytes))
                {
                    let Some(wrong) = self.looks_wrong(pack).await? else { continue };
                    // It may have been replaced and deleted since.
                    let still = self.needs_of(repo.id).await?;
                    if still
                        .is_some_and(|needs| needs.packs.iter().any(|still| still.key == pack.key))
                    {
                        let place = self.vault.place();
                        let detail = format!(
                            "pack {}, which a repo needs, is missing or damaged in {place}: {wrong}",
                            pack.key
                        );
                        return Ok(Some((repo.name, detail)));
                    }
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

/// Reports packs that were kept.
fn keep(report: &mut PruneReport, kept: Vec<KeptPack>) {
    for one in &kept {
        tracing::warn!(repo = %one.repo, "pack {} is kept: {}", one.pack, one.detail);
    }
    report.kept.extend(kept);
}

/// Whether something was done; false where its disk is full.
fn unless_full(done: Result<()>) -> Result<bool> {
    match done {
        Err(error) if error.is_full() => {
            tracing::warn!("postponed until there is free space: {error}");
            Ok(false)
        }
        done => done.map(|()| true),
    }
}
