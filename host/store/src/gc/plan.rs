//! Plans a consolidation.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_catalog::{IndexRow, PackRow, RepoRow, Shelf, Snapshot, Sums};
use packhouse_core::{Head, Plan};
use packhouse_model::error::{Error, Result};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{GcPlanReport, GcPlanned};
use packhouse_model::span::TARGET;
use packhouse_run::{RowSource, RunHost, RunPack};
use packhouse_tape::{Question, plan_digest};

use super::budget::Budget;
use super::selection::{Selection, Selections};
use super::sources::{IndexPages, Sources};
use super::{GcPlan, PlannedGc, Planning, standing};
use crate::prefetch::Reads;
use crate::prove::ProofError;
use crate::prove::consolidation::{PlannedRows, RowsDigest};
use crate::record::PacksOfRun;
use crate::repo::mapped_packs;
use crate::{Store, blocking, expire, prove};

/// Records of a consolidation whose directories stay in memory: 5 MiB of them, which are not worth
/// reading twice.
const MIN_DROPPED: u64 = 1 << 16;

impl Store {
    /// Plans. `applied`: see [`Planning`].
    #[tracing::instrument(target = TARGET, name = "plan consolidation", skip_all)]
    pub(super) async fn plan(
        &self,
        row: &RepoRow,
        options: GcOptions,
        started: Timestamp,
        applied: bool,
        progress: &Progress,
    ) -> Result<GcPlan> {
        progress.at(&row.name.to_string(), Phase::Plan, 0, 0)?;
        let budget = self.budget(options.max_bytes, options.max_time, started).await?;
        let progress = &self.limited(progress, &budget);
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let row = snapshot.repo().clone();
        let shelves = snapshot.shelves().await?;
        let planning = Planning { row: &row, options, applied, progress };
        let mut plan = self.without_work(&row, &shelves, options);
        let done = match self.check_unfragmented(&planning, &shelves, snapshot.as_mut()).await {
            Ok(true) => Ok(()),
            Ok(false) => self.plan_work(&planning, &shelves, snapshot, &budget, &mut plan).await,
            Err(error) => Err(error),
        };
        match done {
            Err(Error::OutOfTime) => plan.report.budget_reached = true,
            done => done?,
        }
        plan.report.elapsed_ms = self.millis_since(started);
        Ok(plan)
    }

    /// A plan that does nothing.
    fn without_work(&self, row: &RepoRow, shelves: &[Shelf], options: GcOptions) -> GcPlan {
        let sums = Sums::of(shelves, &[]);
        let only = match &mapped_packs(shelves)[..] {
            [only] => Some(only.key),
            _ => None,
        };
        let report = GcPlanReport {
            repo: row.name.clone(),
            packs_before: sums.packs,
            packs_after: sums.packs,
            consolidated_key: only,
            skipped: true,
            budget_reached: false,
            geometric: options.geometric,
            objects: sums.mapped.objects,
            commits: sums.mapped.commits,
            snapshots: sums.mapped.snapshots,
            tags: sums.mapped.tags,
            bytes_before: sums.bytes,
            bytes_after: sums.bytes,
            bytes_written: 0,
            duplicates_dropped: 0,
            elapsed_ms: 0,
            component: self.planner.digest().to_owned(),
            rows_changed: 0,
            phase: GcPlanned { dry_run: true, plan_digest: None, cost: None },
            dropped: None,
        };
        GcPlan {
            report,
            work: None,
            planned: standing(shelves),
            repo: row.clone(),
            only,
            max_time: options.max_time,
        }
    }

    /// Whether a repo has no two packs, and nothing is to be expired. "Nothing to do" is only
    /// answered when the one pack exists.
    async fn check_unfragmented(
        &self,
        planning: &Planning<'_>,
        shelves: &[Shelf],
        snapshot: &mut dyn Snapshot,
    ) -> Result<bool> {
        let Planning { row, options, applied, progress } = planning;
        let mapped = mapped_packs(shelves);
        let [only] = &mapped[..] else { return Ok(mapped.is_empty()) };
        self.must_be_there(&row.name, only, &snapshot.damage().await?).await?;
        if options.expire_unreachable.is_some() {
            return Ok(false);
        }
        if *applied && options.geometric.is_none() {
            self.check_only_pack(row, only, snapshot, progress).await?;
        }
        Ok(true)
    }

    /// Plans the largest consolidation that the budget allows.
    async fn plan_work(
        &self,
        planning: &Planning<'_>,
        shelves: &[Shelf],
        mut snapshot: Box<dyn Snapshot>,
        budget: &Budget,
        plan: &mut GcPlan,
    ) -> Result<()> {
        let GcOptions { geometric, expire_unreachable, .. } = planning.options;
        let mut selections = Selections::new(shelves, geometric);
        while let Some(set) = selections.pop() {
            // What is expired is not written.
            let least = if expire_unreachable.is_some() { 0 } else { set.needed_bytes };
            if !self.allows(budget, least) {
                plan.report.budget_reached = true;
                continue;
            }
            let selection = selections.select(set, geometric.is_none());
            let work = self.plan_selection(planning, shelves, &selection, snapshot.as_mut(), plan);
            let Some(work) = work.await? else { return Ok(()) };
            if self.allows(budget, work.plan.bytes) {
                self.report_work(&selection, &work, plan).await?;
                plan.planned = selection.shelves;
                plan.work = Some(work);
                return Ok(());
            }
            plan.report.budget_reached = true;
        }
        // Nothing was planned that could be dropped.
        plan.report.dropped = None;
        Ok(())
    }

    /// Plans the consolidation of some packs. None: expiry drops nothing, and there is one pack.
    async fn plan_selection(
        &self,
        planning: &Planning<'_>,
        shelves: &[Shelf],
        selection: &Selection,
        snapshot: &mut dyn Snapshot,
        plan: &mut GcPlan,
    ) -> Result<Option<PlannedGc>> {
        let Planning { row, options, applied, progress } = *planning;
        let records = selection.sources.iter().map(|pack| pack.records).sum();
        let most = self.planner.limits().records;
        if records > most {
            return Err(Error::TooManyRecords { repo: row.name.clone(), records, most });
        }
        let to_download = self.to_download(&row.name, &selection.sources)?;
        if applied {
            self.need_space(to_download)?;
        }
        let sources = self.read_sources(planning, shelves, selection, snapshot).await?;
        let Sources { packs, records: records_read, mut left_out, index, dropped, heads } = sources;
        if options.expire_unreachable.is_some() {
            plan.report.dropped = Some(expire::dropped_report(&dropped));
            if dropped.is_empty() && plan.only.is_some() {
                return Ok(None);
            }
        }
        let mut packs = Arc::new(packs);
        let of_run = PacksOfRun::from(packs.as_slice());
        let records = of_run.records;
        let reads = if applied { Reads::Whole } else { Reads::Metadata };
        let mut reader = self.run_packs(&row.name, packs.clone());
        self.prefetch(&mut reader, &packs, reads, progress).await?;
        let mut run = RunHost::new(reader, heads.clone(), None);
        // Stored directories are not in memory while the component has their rows.
        let are_stored = left_out.is_empty()
            && options.expire_unreachable.is_none()
            && packs.len() == selection.sources.len();
        let drops = are_stored && records > MIN_DROPPED;
        if drops {
            let directories = self.directories_of(&row.name);
            let source = RowSource { directories, packs: selection.sources.clone() };
            run = run.with_dropped_rows(source);
            packs = Arc::default();
        }
        let question = Question::Consolidation {};
        let run = self.ask("gc", &row.name, question, of_run, run, move |sandbox, host| {
            sandbox.consolidate(host, records)
        });
        let planned = run.await?;
        if drops {
            packs = Arc::new(self.directories(&row.name, &selection.sources).await?);
        }
        let planned = match planned {
            Ok(planned) => Arc::new(planned),
            Err(error) => return Err(self.run_error(&row.name, &packs, error).await),
        };
        let (entities, rows) = match check(&planned, &packs, &heads, index, snapshot).await {
            Ok(checked) => checked,
            Err(failed) => return Err(self.misplanned(&row.name, &packs, failed).await),
        };
        let partly_copied = prove::partly_copied(&planned, &packs);
        left_out.extend(partly_copied.into_iter().map(|n| packs[n as usize].directory.key));
        Ok(Some(PlannedGc {
            packs: Arc::new(packs.iter().map(RunPack::without_rows).collect()),
            plan: planned,
            sources: selection.sources.clone(),
            to_hash: left_out,
            records_read,
            to_download,
            prefetched: applied,
            is_whole: selection.is_whole,
            entities,
            rows,
            heads,
            dropped,
        }))
    }

    /// What applying the plan would report.
    async fn report_work(
        &self,
        selection: &Selection,
        work: &PlannedGc,
        plan: &mut GcPlan,
    ) -> Result<()> {
        let is_hashed = |pack: &&PackRow| work.to_hash.contains(&pack.key);
        let hashed = work.sources.iter().filter(is_hashed).map(|pack| pack.bytes).sum();
        let cost = self.cost(&work.plan, hashed, work.to_download).await?;
        let report = &mut plan.report;
        report.skipped = false;
        report.packs_after = report.packs_before - selection.packs + 1;
        report.consolidated_key = None;
        report.bytes_written = work.plan.bytes;
        report.bytes_after = report.bytes_before - selection.bytes + work.plan.bytes;
        report.duplicates_dropped = work.records_read - work.plan.records.total();
        report.phase.plan_digest =
            Some(plan_digest(&work.plan, work.packs.iter().map(|pack| pack.directory.key)));
        report.phase.cost = Some(cost);
        Ok(())
    }
}

/// Checks a plan before anything is written: it is admitted, and copies what the index maps, or the
/// part of it that was read. Gives how many entities that is, and the digest of the rows that the new
/// pack must have.
pub(crate) async fn check(
    plan: &Arc<Plan>,
    packs: &Arc<Vec<RunPack>>,
    heads: &[Head],
    index: Option<Vec<IndexRow>>,
    snapshot: &mut dyn Snapshot,
) -> Result<(u64, RowsDigest), ProofError> {
    prove::admit(plan, packs, heads)?;
    let (plan, packs) = (plan.clone(), packs.clone());
    let mut rows = blocking(move || Ok(PlannedRows::of(&plan, packs))).await?;
    match index {
        Some(index) => rows.compare(&index)?,
        None => {
            let mut pages = IndexPages::default();
            while let Some(page) = pages.next(snapshot).await? {
                let page: Vec<IndexRow> = page.into_iter().map(|(row, _)| row).collect();
                rows.compare(&page)?;
            }
        }
    }
    rows.end()
}
