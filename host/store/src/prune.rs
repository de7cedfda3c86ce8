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
use packhouse_model::error::{DeletionError, Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_model::operation::PruneOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{KeptPack, PruneReport};
use packhouse_model::span::TARGET;

use super::replaced::CheckedPacks;
use super::{Store, TRIES};

/// Packs that are deleted at once: pushes wait for so many.
pub(super) const BATCH: usize = 64;

/// A prune: what it may delete, and what it has done so far.
pub(super) struct Pruning<'a> {
    pub(super) options: PruneOptions,
    pub(super) now: Timestamp,
    grace: SignedDuration,
    /// Packs that were replaced later than this wait.
    until: Timestamp,
    pub(super) checked: CheckedPacks,
    pub(super) report: PruneReport,
    pub(super) progress: &'a Progress,
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
    #[tracing::instrument(target = TARGET, name = "prune", skip_all)]
    pub async fn prune(&self, options: PruneOptions, progress: &Progress) -> Result<PruneReport> {
        if !options.dry_run {
            self.begin_writing().await?;
        }
        self.must_be_alone().await?;
        if options.orphans && !options.newer {
            self.refuse_newer().await?;
        }
        let now = self.agreed_time().await?;
        if !options.dry_run {
            // What a clock that was ahead has dated counts from now on. On a full disk it waits: a
            // time in the future is taken for the present one below.
            unless_full(self.catalog.settle_times(now, None).await.map(drop))?;
        }
        let mut pruning = Pruning::new(options, now, progress)?;
        let unneeded = self.catalog.unneeded_packs().await?;
        let due = pruning.due(&unneeded)?;
        // Before their packs: what can be restored is whole. On a full disk there is room for it
        // only when other packs have gone.
        let forgotten =
            options.dry_run || unless_full(self.forget_deleted(pruning.until, now).await)?;
        let mut done = self.delete_all(&mut pruning, &due, forgotten).await;
        if options.dry_run && done.is_ok() {
            done = self.list_replaced(&mut pruning, unneeded).await;
        }
        // However it ended: what was read was read. On a disk that is full, only now there may be
        // room to say so.
        self.note_found(&pruning.checked.findings()).await;
        pruning.ended(done)
    }

    /// Fails where the packs of several catalogs are in one storage: what the others need is not
    /// known here (law 10).
    async fn must_be_alone(&self) -> Result<()> {
        let catalogs = self.vault.catalogs(&self.catalog.identity()).await?;
        if catalogs.len() <= 1 {
            return Ok(());
        }
        Err(DeletionError::SharedStorage { place: self.vault.place(), catalogs }.into())
    }

    /// Deletes packs that are due, then expired answers, then orphans. Repos that were deleted may
    /// have to be forgotten in between.
    async fn delete_all(
        &self,
        pruning: &mut Pruning<'_>,
        due: &[UnneededPack],
        forgotten: bool,
    ) -> Result<()> {
        self.prune_due(pruning, due).await?;
        if !forgotten {
            self.prune_deleted(pruning).await?;
        }
        self.prune_answers(pruning).await?;
        self.prune_orphans(pruning).await
    }

    /// Removes deleted repos, for which there was no room before, and their packs.
    async fn prune_deleted(&self, pruning: &mut Pruning<'_>) -> Result<()> {
        self.forget_deleted(pruning.until, pruning.now).await?;
        let kept: BTreeSet<MpackKey> = pruning.report.kept.iter().map(|kept| kept.pack).collect();
        let mut due = self.catalog.unneeded_packs().await?;
        due.retain(|unneeded| unneeded.at <= pruning.until && !kept.contains(&unneeded.pack.key));
        self.prune_due(pruning, &due).await
    }

    async fn prune_due(&self, pruning: &mut Pruning<'_>, due: &[UnneededPack]) -> Result<()> {
        let total = bytes_of(due);
        let mut failed = Ok(());
        for batch in due.chunks(BATCH) {
            let done = pruning.report.bytes_deleted;
            pruning.progress.at("the store", Phase::Delete, done, total)?;
            match self.delete(pruning, batch).await {
                // A file that can't be removed does not keep the others.
                Err(error @ Error::Io { .. }) => failed = failed.and(Err(error)),
                done => done?,
            }
        }
        failed
    }

    /// Deletes packs, except those that are used again, that a repo has retired too late, or whose
    /// replacement is not intact.
    async fn delete(&self, pruning: &mut Pruning<'_>, packs: &[UnneededPack]) -> Result<()> {
        for _ in 0..TRIES {
            // Packs are read while others go on publishing; then it is compared whether they have.
            let (good, kept) =
                self.with_sound_replacement(packs, &mut pruning.checked, pruning.progress).await?;
            if pruning.options.dry_run || good.is_empty() {
                pruning.keep(kept);
                pruning.count_deleted(&good);
                return Ok(());
            }
            let keys: Vec<MpackKey> = good.iter().map(|unneeded| unneeded.pack.key).collect();
            let lock = self.catalog.lock(LockMode::Deleting).await?;
            let gone = self.catalog.deletable_packs(&keys, pruning.until, &lock).await?;
            if !self.still_replaced(&gone, &pruning.checked).await? {
                // They have other replacements now, which were not checked.
                drop(lock);
                continue;
            }
            pruning.keep(kept);
            let (removed, done) = self.remove_files(pruning, gone).await;
            self.catalog.forget_packs(&removed, pruning.until, &lock).await?;
            drop(lock);
            return done;
        }
        // They change faster than they can be read: another prune may be luckier.
        pruning.count_waiting(packs);
        Ok(())
    }

    /// Removes the files of packs, by key. One that can't be removed does not keep the others; it
    /// goes on waiting. Returns those that are removed, and the first failure.
    async fn remove_files(
        &self,
        pruning: &mut Pruning<'_>,
        packs: Vec<UnneededPack>,
    ) -> (Vec<MpackKey>, Result<()>) {
        let by_key: BTreeMap<MpackKey, UnneededPack> =
            packs.into_iter().map(|unneeded| (unneeded.pack.key, unneeded)).collect();
        let (mut removed, mut done) = (Vec::new(), Ok(()));
        for (key, unneeded) in by_key {
            if let Err(error) = self.vault.remove(&key).await {
                done = done.and(Err(error));
                continue;
            }
            let UnneededPack { pack, at, .. } = &unneeded;
            tracing::info!("deleted pack {key}, {} bytes, replaced at {at}", pack.bytes);
            pruning.count_deleted(std::slice::from_ref(&unneeded));
            removed.push(key);
        }
        (removed, done)
    }
}

impl<'a> Pruning<'a> {
    fn new(options: PruneOptions, now: Timestamp, progress: &'a Progress) -> Result<Pruning<'a>> {
        let grace = SignedDuration::try_from(options.grace).map_err(|_| grace_too_long())?;
        let trust = SignedDuration::try_from(options.trust_verified)
            .map_err(|_| Error::Usage("the age is too long".into()))?;
        let report = PruneReport {
            packs_deleted: 0,
            bytes_deleted: 0,
            packs_waiting: 0,
            bytes_waiting: 0,
            next_due: None,
            answers_deleted: 0,
            orphans: 0,
            orphan_bytes: 0,
            orphans_deleted: 0,
            packs_kept: 0,
            kept: Vec::new(),
            dry_run: options.dry_run.then_some(true),
            packs: Vec::new(),
        };
        Ok(Pruning {
            options,
            now,
            grace,
            until: now.checked_sub(grace).unwrap_or(Timestamp::MIN),
            checked: CheckedPacks::new(now, trust, options.dry_run),
            report,
            progress,
        })
    }

    /// Those of some packs that were replaced a grace ago. The others wait.
    fn due(&mut self, unneeded: &[UnneededPack]) -> Result<Vec<UnneededPack>> {
        let mut due = Vec::new();
        for retired in unneeded {
            let at = self.due_at(retired)?;
            if at <= self.now {
                due.push(retired.clone());
                continue;
            }
            self.count_waiting(std::slice::from_ref(retired));
            self.report.next_due = self.report.next_due.min(Some(at)).or(Some(at));
        }
        Ok(due)
    }

    /// When the grace period of a pack ends. A time in the future is taken for the present one.
    pub(super) fn due_at(&self, retired: &UnneededPack) -> Result<Timestamp> {
        let at = retired.at.min(self.now).checked_add(self.grace);
        at.map_err(|_| grace_too_long())
    }

    /// Reports packs that were kept.
    pub(super) fn keep(&mut self, kept: Vec<KeptPack>) {
        for one in &kept {
            tracing::warn!(repo = %one.repo, "pack {} is kept: {}", one.pack, one.detail);
        }
        self.report.kept.extend(kept);
    }

    fn count_deleted(&mut self, packs: &[UnneededPack]) {
        self.report.packs_deleted += packs.len() as u64;
        self.report.bytes_deleted += bytes_of(packs);
    }

    fn count_waiting(&mut self, packs: &[UnneededPack]) {
        self.report.packs_waiting += packs.len() as u64;
        self.report.bytes_waiting += bytes_of(packs);
    }

    /// The report, or why there is none.
    fn ended(mut self, done: Result<()>) -> Result<PruneReport> {
        let kept: BTreeSet<MpackKey> = self.report.kept.iter().map(|kept| kept.pack).collect();
        self.report.packs_kept = kept.len() as u64;
        match done {
            Err(cause) if self.report.has_deleted() => Err(Error::PruneUnfinished {
                report: Box::new(self.report),
                cause: Box::new(cause),
            }),
            done => done.map(|()| self.report),
        }
    }
}

fn bytes_of(packs: &[UnneededPack]) -> u64 {
    packs.iter().map(|unneeded| unneeded.pack.bytes).sum()
}

fn grace_too_long() -> Error {
    Error::Usage("the grace period is too long".into())
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
