//! `prune`: deletes unused packs, long after they were replaced.
//!
//! A pack is deleted if no shelf of any repo holds it, the *grace period* since the last repo
//! retired it is over (longer than any URL of it is valid), and the packs that replace it exist and
//! are intact ([`super::replaced`]). Under [`LockMode::Deleting`] no push is between storing a pack
//! and publishing it, so a pack on no shelf is not about to be on one. The file is deleted before
//! the catalog forgets the pack: after a crash or a failed request between the two, the pack is
//! still pending deletion, and the next prune finishes it. On a full disk, this frees space before
//! the catalog is written. Expired fetch results are in [`super::answers`], orphans in
//! [`super::orphans`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{LockMode, UnneededPack};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_model::operation::PruneOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{KeptPack, PruneReport};

use super::replaced::CheckedPacks;
use super::{Store, TRIES};

/// Packs that are deleted at once: pushes wait for so many.
pub(super) const BATCH: usize = 64;

/// What is due.
struct Due {
    packs: Vec<UnneededPack>,
    /// Whether repos that are due were forgotten; false where there was no room for that.
    forgotten: bool,
    now: Timestamp,
    grace: SignedDuration,
}

impl Store {
    /// Deletes packs that were replaced longer than the grace ago, and expired answers; on request,
    /// old packs that no repo knows. What may be the last good copy of something is kept, and
    /// reported.
    ///
    /// # Errors
    /// When packs of another catalog are in the vault, too; when something can't be listed or
    /// removed; when orphans are to be deleted and the catalog knows no pack of the vault, or looks
    /// older than the packs. [`Error::PruneUnfinished`] when something was deleted before that: it
    /// has the report, and the next prune does the rest.
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
        let too_long = || Error::Usage("the grace period is too long".into());
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
        let due = Due { packs: due, forgotten, now, grace };
        let done = self.delete_all(&due, options, &mut checked, &mut report, progress).await;
        // However it ended: what was read was read. On a disk that is full, only now there may be
        // room to say so.
        self.note_found(&checked.findings()).await;
        report.packs_kept =
            report.kept.iter().map(|kept| kept.pack).collect::<BTreeSet<_>>().len() as u64;
        match done {
            Err(cause) if report.has_deleted() => {
                Err(Error::PruneUnfinished { report: Box::new(report), cause: Box::new(cause) })
            }
            done => done.map(|()| report),
        }
    }

    /// Deletes packs that are due, then expired answers, then orphans.
    async fn delete_all(
        &self,
        due: &Due,
        options: PruneOptions,
        checked: &mut CheckedPacks,
        report: &mut PruneReport,
        progress: &Progress,
    ) -> Result<()> {
        let times = (due.now, due.grace);
        self.prune_due(&due.packs, options, times, checked, report, progress).await?;
        if !due.forgotten {
            self.prune_deleted(options, times, checked, report, progress).await?;
        }
        self.prune_answers(due.now, options.dry_run, checked, report, progress).await?;
        self.prune_orphans(due.now, options, checked, report, progress).await
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
        let mut failed = Ok(());
        for batch in due.chunks(BATCH) {
            progress.at("the store", Phase::Delete, report.bytes_deleted, total)?;
            match self.delete(batch, until, options.dry_run, checked, report, progress).await {
                // A file that can't be removed does not keep the others.
                Err(error @ Error::Io { .. }) => failed = failed.and(Err(error)),
                done => done?,
            }
        }
        failed
    }

    /// Deletes packs, except those that are used again, that a repo has retired later than `until`,
    /// or whose replacement is not intact.
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
            for (key, unneeded) in &by_key {
                // One that can't be removed does not keep the others; it goes on waiting.
                match self.vault.remove(key).await {
                    Ok(()) => {
                        tracing::info!(
                            "deleted pack {key}, {} bytes, replaced at {}",
                            unneeded.pack.bytes,
                            unneeded.at
                        );
                        report.packs_deleted += 1;
                        report.bytes_deleted += unneeded.pack.bytes;
                        removed.push(*key);
                    }
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            self.catalog.forget_packs(&removed, until, &lock).await?;
            drop(lock);
            return failed.map_or(Ok(()), Err);
        }
        // They change faster than they can be read: another prune may be luckier.
        report.packs_waiting += packs.len() as u64;
        report.bytes_waiting += packs.iter().map(|unneeded| unneeded.pack.bytes).sum::<u64>();
        Ok(())
    }
}

/// Reports packs that were kept.
pub(super) fn keep(report: &mut PruneReport, kept: Vec<KeptPack>) {
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
