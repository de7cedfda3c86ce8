//! `gc`: plan, show, apply.
//!
//! ```text
//! snapshot ─▶ component plans ─▶ admit ─▶ [show]
//!         └─▶ index is read in parallel
//! splice to staging, hash, read back ─▶ prove ─▶ store the pack ─▶ store its directory ─▶ publish
//! ```
//!
//! A crash before *store* leaves a staged file; after it, a pack on no shelf. In both cases the
//! repo is unchanged, and the next run writes the same pack again. Publishing is one transaction.
//! Replaced packs are retired, and kept until they are pruned.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_catalog::{
    Consolidation, DroppedEntity, IndexRow, LockMode, PackRow, PublishOutcome, RepoRow, Shelf,
    Snapshot, Sums,
};
use packhouse_core::{Head, Plan};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName, ShelfId};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{GcDone, GcPlanReport, GcPlanned, GcReport};
use packhouse_pack::pipeline::WriteError;
use packhouse_pack::splice::Splice;
use packhouse_pack::{Directory, WrittenPack, write_and_read_back};
use packhouse_run::{RunHost, RunPack};
use packhouse_tape::{Question, plan_digest};
use packhouse_vault::StagedFile;

use super::complete::{CheckedPack, check_written};
use super::cost::peak_disk;
use super::prefetch::Reads;
use super::record::PacksOfRun;
use super::repo::mapped_packs;
use super::{Store, TRIES, blocking, expire, prove};

/// Index rows that a page of the catalog holds.
const PAGE: u32 = 8192;

/// A consolidation that can be shown, and applied exactly as it is.
#[derive(Debug)]
pub struct GcPlan {
    /// What applying it would report, as a dry run: the key is known only when the pack has been
    /// made.
    pub report: GcPlanReport,
    /// None: there is nothing to do.
    pub(super) work: Option<PlannedGc>,
    /// The shelves that it was made from: all the repo had then.
    planned: Vec<(ShelfId, i64)>,
    /// The repo, as it was then.
    repo: RepoRow,
}

#[derive(Debug)]
pub(super) struct PlannedGc {
    pub(super) packs: Arc<Vec<RunPack>>,
    pub(super) plan: Arc<Plan>,
    /// The packs, as the catalog knows them.
    sources: Vec<PackRow>,
    /// Whether they were prefetched whole.
    prefetched: bool,
    index: Vec<IndexRow>,
    pub(super) heads: Vec<Head>,
    /// What the index maps and the plan leaves out.
    dropped: Vec<DroppedEntity>,
}

impl Store {
    /// Consolidates a repo's packs into one. If the repo changes in the meantime, plans again.
    ///
    /// # Errors
    /// [`Error::Busy`] when it keeps changing; damage, when a source has changed. The repo is then
    /// as it was before. [`packhouse_model::error::DeletionError::AllUnreachable`] to expire
    /// something of a repo without branches and tags: nothing of it would be left.
    pub async fn gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcReport> {
        let row = self.known_repo(repo).await?;
        if options.expire_unreachable.is_some() {
            // What a clock that was ahead has dated counts from now on.
            self.catalog.settle_times(self.agreed_time().await?, Some(row.id)).await?;
        }
        let done = self.gc_current(&row, options, progress).await;
        if done.is_ok() {
            self.prepare_fetches(&row).await;
        }
        self.remembering(row.id, "gc", done).await
    }

    async fn gc_current(
        &self,
        row: &RepoRow,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcReport> {
        for tries in 1.. {
            let started = self.clock.now();
            let plan = match self.plan(row, options, started, true, progress).await {
                Ok(plan) => plan,
                Err(error) if tries < TRIES && self.is_stale(row.id, &error).await? => continue,
                Err(error) => {
                    self.remember_failure(row, started, &error).await;
                    return Err(error);
                }
            };
            match self.apply_current(plan, progress).await {
                Err(Error::Busy { .. }) if tries < TRIES => {}
                done => return done,
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Plans a consolidation and changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`]; damage, where a pack or a record can't be read.
    pub async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcPlan> {
        let row = self.known_repo(repo).await?;
        let plan = self
            .until_current(row.id, || {
                Box::pin(self.plan(&row, options, self.clock.now(), false, progress))
            })
            .await;
        self.remembering(row.id, "gc", plan).await
    }

    /// Plans. If the plan will be applied at once, the packs are prefetched whole; else only what
    /// planning reads.
    async fn plan(
        &self,
        row: &RepoRow,
        options: GcOptions,
        started: Timestamp,
        applied: bool,
        progress: &Progress,
    ) -> Result<GcPlan> {
        let name = row.name.to_string();
        let age = options.expire_unreachable;
        progress.at(&name, Phase::Plan, 0, 0)?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let row = snapshot.repo().clone();
        let shelves = snapshot.shelves().await?;
        let mapped = mapped_packs(&shelves);
        let sums = Sums::of(&shelves, &[]);
        let mut report = GcPlanReport {
            repo: row.name.clone(),
            packs_before: sums.packs,
            packs_after: sums.packs,
            consolidated_key: mapped.first().map(|p| p.key),
            skipped: true,
            objects: sums.mapped.objects,
            commits: sums.mapped.commits,
            snapshots: sums.mapped.snapshots,
            tags: sums.mapped.tags,
            bytes_before: sums.bytes,
            bytes_after: sums.bytes,
            duplicates_dropped: 0,
            elapsed_ms: 0,
            component: self.planner.digest().to_owned(),
            rows_changed: 0,
            phase: GcPlanned { dry_run: true, plan_digest: None, cost: None },
            dropped: None,
        };
        if let [only] = &mapped[..] {
            // "Nothing to do" is only answered when the pack exists.
            self.must_be_there(&row.name, only, &snapshot.damage().await?).await?;
        }
        let planned = standing(&shelves);
        let nothing =
            |report| Ok(GcPlan { report, work: None, planned: planned.clone(), repo: row.clone() });
        if mapped.len() <= 1 && (age.is_none() || mapped.is_empty()) {
            if let ([only], true) = (&mapped[..], applied) {
                self.check_only_pack(&row, only, snapshot.as_mut(), progress).await?;
            }
            report.elapsed_ms = self.millis_since(started);
            return nothing(report);
        }

        let sources = super::load::distinct_packs(&shelves);
        let to_download = self.to_download(&row.name, &sources)?;
        if applied {
            self.need_space(to_download)?;
        }
        let mut packs = self.directories(&row.name, &sources).await?;
        let heads = snapshot.heads().await?;
        let mut unexpired = None;
        if let Some(age) = age {
            let index = read_index(snapshot.as_mut()).await?;
            let kept = self
                .unexpired(
                    &row,
                    snapshot.as_mut(),
                    (&shelves, &heads),
                    (packs, index),
                    age,
                    progress,
                )
                .await?;
            report.dropped = Some(expire::dropped_report(&kept.dropped));
            if kept.dropped.is_empty() && mapped.len() <= 1 {
                report.elapsed_ms = self.millis_since(started);
                return nothing(report);
            }
            packs = kept.packs;
            unexpired = Some((kept.index, kept.dropped));
        }
        let packs = Arc::new(packs);
        let of_run = PacksOfRun::from(packs.as_slice());
        let records = of_run.records;
        let mut reader = self.run_packs(&row.name, packs.clone());
        let reads = if applied { Reads::Whole } else { Reads::Metadata };
        self.prefetch(&mut reader, &packs, reads, progress).await?;
        let run = RunHost::new(reader, heads.clone(), None);
        let question = Question::Consolidation {};
        let planning = self.ask("gc", &row.name, question, of_run, run, move |sandbox, host| {
            sandbox.consolidate(host, records)
        });
        // The component plans on one core while the index is read on the other.
        let reading = async {
            match unexpired {
                Some(read) => Ok(read),
                None => Ok((
                    read_index(snapshot.as_mut()).await?.into_iter().map(|(row, _)| row).collect(),
                    Vec::new(),
                )),
            }
        };
        let (answer, read): (_, Result<_>) = tokio::join!(planning, reading);
        drop(snapshot);
        let plan = match answer? {
            Ok(plan) => plan,
            Err(error) => return Err(self.run_error(&row.name, &packs, error).await),
        };
        let (index, dropped) = read?;
        if let Err(failed) = prove::admit(&plan, &packs, &heads) {
            return Err(self.unproven(&row.name, &packs, failed).await);
        }

        report.skipped = false;
        report.packs_after = 1;
        report.consolidated_key = None;
        report.bytes_after = plan.bytes;
        report.duplicates_dropped = records - plan.records.total();
        report.phase.plan_digest =
            Some(plan_digest(&plan, packs.iter().map(|pack| pack.directory.key)));
        report.phase.cost = Some(self.cost(&plan, &packs, to_download).await?);
        report.elapsed_ms = self.millis_since(started);
        let work = PlannedGc {
            packs,
            plan: Arc::new(plan),
            sources,
            prefetched: applied,
            index,
            heads,
            dropped,
        };
        Ok(GcPlan { report, work: Some(work), planned, repo: row })
    }

    /// Whether a repo is unchanged since a plan was made: no push and no consolidation.
    /// [`Store::apply_gc`] itself checks consolidations only: a pack of a later push stays beside
    /// the new one.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn is_current(&self, plan: &GcPlan) -> Result<bool> {
        let mut snapshot = self.catalog.snapshot(plan.repo.id).await?;
        Ok(snapshot.repo().revision == plan.repo.revision
            && standing(&snapshot.shelves().await?) == plan.planned)
    }

    /// Does exactly what a plan says.
    ///
    /// # Errors
    /// [`Error::Busy`] when the repo's shelves are not those that the plan was made from.
    pub async fn apply_gc(&self, plan: GcPlan, progress: &Progress) -> Result<GcReport> {
        let row = plan.repo.clone();
        let done = self.apply_current(plan, progress).await;
        if done.is_ok() {
            self.prepare_fetches(&row).await;
        }
        self.remembering(row.id, "gc", done).await
    }

    async fn apply_current(&self, plan: GcPlan, progress: &Progress) -> Result<GcReport> {
        let (row, started) = (plan.repo.clone(), self.clock.now());
        let mut applied = self.apply(plan, started, progress).await;
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

    async fn apply(
        &self,
        plan: GcPlan,
        started: Timestamp,
        progress: &Progress,
    ) -> Result<GcReport> {
        let GcPlan { report, work, planned, repo } = plan;
        let plan_digest = report.phase.plan_digest.clone();
        let mut report = report.with_phase(GcDone { plan_digest, proven: None });
        let Some(work) = work else { return Ok(report) };
        let name = repo.name.to_string();
        let to_download = self.to_download(&repo.name, &work.sources)?;
        self.need_space(peak_disk(&work.plan).saturating_add(to_download))?;
        let reads = if work.prefetched { Reads::Prefetched } else { Reads::Whole };
        // What is replaced was intact: records that are copied are checked on the way, packs with
        // others beside it.
        let checked = self.check_sources(&repo.name, &work);
        let spliced =
            self.splice(self.stage().await?, &repo.name, &work.plan, &work.packs, reads, progress);
        let (checked, spliced) = tokio::join!(checked, spliced);
        let (staged, written) = spliced?;
        let sources_hashed = checked?;

        progress.at(&name, Phase::Prove, work.plan.bytes, work.plan.bytes)?;
        let PlannedGc { packs, plan, index, heads, dropped, .. } = work;
        let (proving, written) = (packs.clone(), Arc::new(written));
        let proven = written.clone();
        let proven = blocking(move || {
            Ok(prove::consolidation::prove(
                &plan,
                &proving,
                &proven,
                &heads,
                &index,
                sources_hashed,
            ))
        });
        let (proven, complete) = tokio::join!(proven, check_written(&staged, &written));
        let proven = match proven? {
            Ok(proven) => proven,
            Err(failed) => return Err(self.unproven(&repo.name, &packs, failed).await),
        };

        progress.at(&name, Phase::Publish, report.bytes_after, report.bytes_after)?;
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        // It can still be cancelled after this wait.
        progress.at(&name, Phase::Publish, report.bytes_after, report.bytes_after)?;
        self.store_with_progress(&name, staged, &written.key, written.bytes, progress).await?;
        self.must_read_back(&written.key).await?;
        let (complete, spine) = match complete? {
            Some(CheckedPack { complete, spine }) => (Some(complete), spine),
            None => (None, None),
        };
        let directory = Directory::of(written.key, written.bytes, &written.scanned)
            .with_spine(spine.unwrap_or_default());
        self.keep_directory(&directory).await;
        self.directory_heads.forget(&written.key);
        let done = Consolidation {
            planned,
            key: written.key,
            bytes: written.bytes,
            records: directory.len(),
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
        report.consolidated_key = Some(written.key);
        report.bytes_after = written.bytes;
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

    /// Hashes the packs with duplicates that the plan leaves out: a flipped byte there is found
    /// before the pack is retired, and not when it is needed. Returns how many it has hashed.
    async fn check_sources(&self, repo: &RepoName, work: &PlannedGc) -> Result<u64> {
        let mut hashed = 0;
        for pack in prove::partly_copied(&work.plan, &work.packs) {
            let key = work.packs[pack as usize].directory.key;
            let stored = self.open_cached(repo, &key).await?;
            let (stored, found) =
                blocking(move || super::load::hash(&stored).map(|found| (stored, found))).await?;
            if found == key {
                hashed += 1;
                continue;
            }
            let examined = blocking(move || super::load::examine(&stored, |_| Ok(()))).await?;
            let differs = || format!("hash mismatch: its SHA-256 is {found}");
            let detail = examined.sound(&key).err().unwrap_or_else(differs);
            return Err(self.damaged(repo, &key, detail));
        }
        Ok(hashed)
    }

    /// Writes what a plan says to staging, and reads it back.
    pub(super) async fn splice(
        &self,
        staged: StagedFile,
        repo: &RepoName,
        plan: &Arc<Plan>,
        packs: &Arc<Vec<RunPack>>,
        reads: Reads<'_>,
        progress: &Progress,
    ) -> Result<(StagedFile, WrittenPack)> {
        let mut sources = self.run_packs(repo, packs.clone());
        self.prefetch(&mut sources, packs, reads, progress).await?;
        let (plan_here, progress, name) = (plan.clone(), progress.clone(), repo.to_string());
        let (staged, written) = blocking(move || {
            let mut splice = Splice::new(&plan_here.steps, sources);
            let total = plan_here.bytes;
            let mut tick = |done| progress.at(&name, Phase::Splice, done, total);
            let written = write_and_read_back(&staged.file, staged.path(), &mut splice, &mut tick);
            Ok((staged, written))
        })
        .await?;
        match written {
            Ok(written) => Ok((staged, written)),
            Err(WriteError::Failed(error)) => Err(error),
            Err(WriteError::Bad(bad)) => {
                Err(self.unproven(repo, packs, prove::blame(plan, &bad)).await)
            }
        }
    }
}

/// Which packs are on the shelves: enough to tell whether that has changed.
fn standing(shelves: &[Shelf]) -> Vec<(ShelfId, i64)> {
    shelves.iter().map(|s| (s.id, s.generation)).collect()
}

/// The whole index of a repo, in order.
async fn read_index(snapshot: &mut dyn Snapshot) -> Result<Vec<(IndexRow, ShelfId)>> {
    let mut index: Vec<(IndexRow, ShelfId)> = Vec::new();
    loop {
        let page = snapshot.index_page(index.last().map(|(row, _)| &row.entity), PAGE).await?;
        if page.is_empty() {
            return Ok(index);
        }
        index.extend(page);
    }
}
