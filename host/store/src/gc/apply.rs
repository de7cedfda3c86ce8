//! Applies a plan: writes the new pack, proves it, and publishes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use packhouse_catalog::{Consolidation, LockMode, PackRow, PublishOutcome};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{GcDone, GcReport};
use packhouse_model::span::TARGET;
use packhouse_pack::{Directory, WrittenPack};
use packhouse_run::{RunPack, changed_pack, missing_pack};
use packhouse_vault::{StagedFile, Vault};
use tokio::runtime::Handle;

use super::{GcPlan, PlannedGc};
use crate::complete::{CheckedPack, check_written};
use crate::cost::peak_disk;
use crate::prefetch::Reads;
use crate::prove::ProofError;
use crate::prove::consolidation::RowsDigest;
use crate::{Store, blocking, prove};

/// Bytes of packs that a thread hashes, one after the other: it can't be cancelled meanwhile.
const HASHED_BY_ONE: u64 = 16 << 20;

impl Store {
    /// Applies a plan, and records how it ended.
    pub(super) async fn apply_current(
        &self,
        plan: GcPlan,
        progress: &Progress,
    ) -> Result<GcReport> {
        let (row, started) = (plan.repo.clone(), self.clock.now());
        let mut applied = self.apply_in_time(plan, started, progress).await;
        if let Err(error) = &applied
            && self.is_stale(row.id, error).await?
        {
            applied = Err(Error::Busy { repo: row.name.clone(), what: "it was consolidated" });
        }
        match &mut applied {
            Ok(report) => {
                self.remember(&row, report).await;
                // What is kept says which plan was done; the answer is no dry run's.
                report.phase.plan_digest = None;
            }
            Err(error) => self.remember_failure(&row, started, error).await,
        }
        applied
    }

    /// Applies a plan, unless the time is up before it is published.
    async fn apply_in_time(
        &self,
        plan: GcPlan,
        started: Timestamp,
        progress: &Progress,
    ) -> Result<GcReport> {
        let spent = std::time::Duration::from_millis(plan.report.elapsed_ms);
        let left = plan.max_time.map(|time| time.saturating_sub(spent));
        let budget = self.budget(None, left, started).await?;
        let (only, mut report) = (plan.only, plan.report.clone().with_phase(GcDone::default()));
        match self.apply(plan, started, &self.limited(progress, &budget)).await {
            Err(Error::OutOfTime) => {
                report.budget_reached = true;
                report.skipped = true;
                report.consolidated_key = only;
                report.packs_after = report.packs_before;
                report.bytes_after = report.bytes_before;
                (report.bytes_written, report.duplicates_dropped) = (0, 0);
                report.dropped = None;
                report.elapsed_ms += self.millis_since(started);
                Ok(report)
            }
            done => done,
        }
    }

    #[tracing::instrument(target = TARGET, name = "apply plan", skip_all)]
    async fn apply(
        &self,
        plan: GcPlan,
        started: Timestamp,
        progress: &Progress,
    ) -> Result<GcReport> {
        let GcPlan { report, work, planned, repo, .. } = plan;
        let plan_digest = report.phase.plan_digest.clone();
        let mut report = report.with_phase(GcDone { plan_digest, proven: None });
        let Some(work) = work else { return Ok(report) };
        let name = repo.name.to_string();
        let to_download = self.to_download(&repo.name, &work.sources)?;
        self.need_space(peak_disk(&work.plan).saturating_add(to_download))?;
        let reads = if work.prefetched { Reads::Prefetched } else { Reads::Whole };
        let mut sources = self.run_packs(&repo.name, work.packs.clone());
        self.prefetch(&mut sources, &work.packs, reads, progress).await?;
        // What is replaced was intact: records that are copied are checked on the way, packs with
        // others before it, or beside it.
        let hashed = sources.read_small(&work.plan, &work.to_hash, progress).await?;
        let checked = self.check_sources(&repo.name, &work, &hashed);
        let spliced = self.splice(self.stage().await?, sources, &work.plan, &work.packs, progress);
        let (checked, spliced) = tokio::join!(checked, spliced);
        let (staged, written) = spliced?;
        let sources_hashed = hashed.len() as u64 + checked?;

        progress.at(&name, Phase::Prove, work.plan.bytes, work.plan.bytes)?;
        let written = Arc::new(written);
        let complete = check_complete(&staged, &written, work.is_whole);
        let (digest, complete) = tokio::join!(digest_of_rows(&written), complete);
        if digest? != work.rows {
            return Err(self.changed(&repo.name, &work, &written).await);
        }
        let PlannedGc { packs, plan, heads, dropped, entities, .. } = work;
        let proven = prove::consolidation::prove(&plan, &written, &heads, entities, sources_hashed);
        let proven = match proven {
            Ok(proven) => proven,
            Err(failed) => return Err(self.unproven(&repo.name, &packs, failed).await),
        };
        drop((packs, plan));

        progress.at(&name, Phase::Publish, written.bytes, written.bytes)?;
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        // It can still be cancelled after this wait.
        progress.at(&name, Phase::Publish, written.bytes, written.bytes)?;
        let (key, bytes) = (written.key, written.bytes);
        self.store_with_progress(&name, vec![(staged, key)], bytes, progress).await?;
        self.must_read_back(&key).await?;
        let (complete, spine) = match complete? {
            Some(CheckedPack { complete, spine }) => (Some(complete), spine),
            None => (None, None),
        };
        // Nobody else holds it any more: its rows are in memory once.
        let directory = match Arc::try_unwrap(written) {
            Ok(written) => Directory::of_taken(key, bytes, written.scanned),
            Err(written) => Directory::of(key, bytes, &written.scanned),
        };
        let directory = directory.with_spine(spine.unwrap_or_default());
        let records = directory.len();
        self.keep_directory(directory).await;
        self.directory_heads.forget(&key);
        let done = Consolidation {
            planned,
            key,
            bytes,
            records,
            dropped,
            complete,
            fence: self.fence,
            now: self.time().await?,
            repo: repo.clone(),
        };
        let published = self.catalog.publish_consolidation(&done, &lock).await?;
        drop(lock);
        match published {
            PublishOutcome::Done { rows } => report.rows_changed = rows,
            PublishOutcome::Changed => {
                return Err(Error::Busy { repo: repo.name, what: "it was consolidated" });
            }
            PublishOutcome::LeaseLost => return Err(self.lease_lost()),
        }
        report.consolidated_key = Some(key);
        report.phase.proven = Some(proven);
        // In addition to the time of planning; the time in between, when the plan was shown, does
        // not count.
        report.elapsed_ms += self.millis_since(started);
        Ok(report)
    }

    /// A pack that will replace others is read back from where it was sent to: a server may have
    /// taken other bytes than it was sent, and have said nothing. Files were read back before they
    /// were renamed.
    async fn must_read_back(&self, key: &MpackKey) -> Result<()> {
        if !self.vault.is_remote() || self.vault.hash_uncached(key).await? == Some(*key) {
            return Ok(());
        }
        Err(Error::ReadBackDiffers { place: self.vault.place_of(key) })
    }

    /// The error for a pack that was read back with other rows than were planned. What differs is
    /// found with the directories of the sources, which are read again for it.
    async fn changed(&self, repo: &RepoName, work: &PlannedGc, written: &WrittenPack) -> Error {
        let of_run = |pack: &RunPack| {
            let key = pack.directory.key;
            work.sources.iter().find(|source| source.key == key).cloned()
        };
        let sources: Vec<PackRow> = work.packs.iter().filter_map(of_run).collect();
        let packs = match self.directories(repo, &sources).await {
            Ok(packs) => packs,
            Err(error) => return error,
        };
        let differs = prove::same_records(&work.plan, &packs, &written.scanned, &work.heads).err();
        let unknown = || ProofError::Component("its rows are not those that were planned".into());
        self.unproven(repo, &packs, differs.unwrap_or_else(unknown)).await
    }

    /// Hashes the packs with records that the plan leaves out, but for those in `hashed`: a flipped
    /// byte there is found before the pack is retired, and not when it is needed. Returns how many it
    /// has hashed.
    #[tracing::instrument(target = TARGET, name = "check sources", skip_all)]
    async fn check_sources(
        &self,
        repo: &RepoName,
        work: &PlannedGc,
        hashed: &BTreeSet<MpackKey>,
    ) -> Result<u64> {
        let is_left = |key| work.to_hash.contains(key) && !hashed.contains(key);
        let to_hash = work.sources.iter().filter(|pack| is_left(&pack.key));
        let mut to_hash = to_hash.map(|pack| (pack.key, pack.bytes));
        let mut hashed = 0;
        loop {
            let (mut keys, mut bytes) = (Vec::new(), 0);
            while bytes < HASHED_BY_ONE
                && let Some((key, of_pack)) = to_hash.next()
            {
                keys.push(key);
                bytes += of_pack;
            }
            if keys.is_empty() {
                return Ok(hashed);
            }
            hashed += keys.len() as u64;
            let (runtime, vault, name) = (Handle::current(), self.vault.clone(), repo.clone());
            let check = move |key: &MpackKey| check_source(&vault, &name, key, &runtime);
            blocking(move || keys.iter().try_for_each(check)).await?;
        }
    }
}

/// Hashes a pack, whose bytes must match its key.
fn check_source(vault: &Vault, repo: &RepoName, key: &MpackKey, runtime: &Handle) -> Result<()> {
    let stored = vault.open_cached_here(key, runtime)?;
    let stored = stored.ok_or_else(|| missing_pack(vault, repo, key))?;
    let found = crate::load::hash(&stored)?;
    if found == *key {
        return Ok(());
    }
    Err(changed_pack(vault, repo, key, (&stored, found))?)
}

async fn digest_of_rows(written: &Arc<WrittenPack>) -> Result<RowsDigest> {
    let written = written.clone();
    blocking(move || Ok(prove::consolidation::digest_of(&written.scanned.rows))).await
}

/// Whether the new pack is complete. One of a part of the repo is not: other packs have what it
/// refers to.
#[tracing::instrument(target = TARGET, name = "prove", skip_all)]
async fn check_complete(
    staged: &StagedFile,
    written: &Arc<WrittenPack>,
    is_whole: bool,
) -> Result<Option<CheckedPack>> {
    match is_whole {
        true => check_written(staged, written).await,
        false => Ok(None),
    }
}
