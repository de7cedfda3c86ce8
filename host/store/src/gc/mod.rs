//! `gc`: plan, show, apply.
//!
//! ```text
//! snapshot ─▶ select packs ─▶ component plans ─▶ admit, compare with the index ─▶ [show]
//! splice to staging, hash, read back ─▶ prove ─▶ store the pack ─▶ store its directory ─▶ publish
//! ```
//!
//! A geometric consolidation selects the smallest packs, and reads nothing of the others: of the
//! index, the rows of what it consolidates.
//!
//! A crash before *store* leaves a staged file; after it, a pack on no shelf. In both cases the
//! repo is unchanged, and the next run writes the same pack again. Publishing is one transaction.
//! Replaced packs are retired, and kept until they are pruned.

mod apply;
mod budget;
mod geometric;
mod plan;
mod selection;
mod sources;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use packhouse_catalog::{DroppedEntity, PackRow, RepoRow, RunsToMerge, Shelf};
use packhouse_core::{Head, Plan};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName, ShelfId};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::Progress;
use packhouse_model::report::{GcPlanReport, GcReport};
use packhouse_model::span::TARGET;
use packhouse_run::RunPack;

use super::prove::consolidation::RowsDigest;
use super::{Store, TRIES};

#[cfg(test)]
pub(super) use plan::check;
pub(super) use selection::left_by_geometric;

/// A consolidation that can be shown, and applied exactly as it is.
#[derive(Debug)]
pub struct GcPlan {
    /// What applying it would report, as a dry run: the key is known only when the pack has been
    /// made.
    pub report: GcPlanReport,
    /// None: there is nothing to do, or the budget allows nothing.
    pub(super) work: Option<PlannedGc>,
    /// The shelves that get the new pack, ascending; without work, all that the repo had then.
    planned: Vec<(ShelfId, i64)>,
    /// The repo, as it was then.
    repo: RepoRow,
    /// The pack of a repo with one: it stays if the time is up.
    only: Option<MpackKey>,
    /// How long planning and applying may take together.
    max_time: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct PlannedGc {
    /// The packs, without their rows.
    pub(super) packs: Arc<Vec<RunPack>>,
    pub(super) plan: Arc<Plan>,
    /// The packs, as the catalog knows them.
    pub(super) sources: Vec<PackRow>,
    /// Those with records that are not copied: they are hashed whole.
    to_hash: BTreeSet<MpackKey>,
    /// Records of the packs, without those that are dropped.
    records_read: u64,
    /// Bytes that were not on the local disk.
    to_download: u64,
    /// Whether they were prefetched whole.
    prefetched: bool,
    /// Whether the new pack has all that the index maps.
    is_whole: bool,
    /// Entities that the index maps to the planned shelves: the plan copies each of them, once.
    pub(super) entities: u64,
    /// The digest of the rows that the new pack must have.
    pub(super) rows: RowsDigest,
    pub(super) heads: Vec<Head>,
    /// What the index maps and the plan leaves out.
    dropped: Vec<DroppedEntity>,
}

/// The input of planning.
struct Planning<'a> {
    /// The repo, as it is in the snapshot.
    row: &'a RepoRow,
    options: GcOptions,
    /// Whether the plan will be applied at once: then packs are prefetched whole, else only what
    /// planning reads.
    applied: bool,
    progress: &'a Progress,
}

impl Store {
    /// Consolidates a repo's packs into one, or the smallest of them. If the repo changes in the
    /// meantime, plans again.
    ///
    /// # Errors
    /// [`Error::Busy`] when it keeps changing; damage, when a source has changed. The repo is then
    /// as it was before. [`packhouse_model::error::DeletionError::AllUnreachable`] to expire
    /// something of a repo without branches and tags: nothing of it would be left.
    /// [`Error::Usage`] for options that exclude each other.
    #[tracing::instrument(target = TARGET, name = "consolidate", skip_all, fields(packhouse.repo = %repo))]
    pub async fn gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcReport> {
        options.check()?;
        let row = self.known_repo(repo).await?;
        if options.expire_unreachable.is_some() {
            // What a clock that was ahead has dated counts from now on.
            self.catalog.settle_times(self.agreed_time().await?, Some(row.id)).await?;
        }
        let done = Box::pin(self.gc_current(&row, options, progress)).await;
        if done.is_ok() && options.max_time.is_none() {
            self.prepare_fetches(&row, runs_to_merge(options.geometric)).await;
        }
        self.remembering(row.id, "gc", done).await
    }

    async fn gc_current(
        &self,
        row: &RepoRow,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcReport> {
        let begun = self.clock.now();
        for tries in 1.. {
            let started = self.clock.now();
            // Attempts share the time.
            let spent = Duration::from_millis(self.millis_since(begun));
            let max_time = options.max_time.map(|time| time.saturating_sub(spent));
            let options = GcOptions { max_time, ..options };
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
    /// [`Error::UnknownRepo`]; damage, where a pack or a record can't be read; [`Error::Usage`] for
    /// options that exclude each other.
    pub async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcPlan> {
        options.check()?;
        let row = self.known_repo(repo).await?;
        let plan = self
            .until_current(row.id, || {
                Box::pin(self.plan(&row, options, self.clock.now(), false, progress))
            })
            .await;
        self.remembering(row.id, "gc", plan).await
    }

    /// Whether a repo is unchanged since a plan was made: no push and no consolidation.
    /// [`Store::apply_gc`] itself checks consolidations only: a pack of a later push stays beside
    /// the new one.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn is_current(&self, plan: &GcPlan) -> Result<bool> {
        let mut snapshot = self.catalog.snapshot(plan.repo.id).await?;
        let standing = standing(&snapshot.shelves().await?);
        Ok(snapshot.repo().revision == plan.repo.revision
            && plan.planned.iter().all(|planned| standing.binary_search(planned).is_ok()))
    }

    /// Does exactly what a plan says.
    ///
    /// # Errors
    /// [`Error::Busy`] when the repo's shelves are not those that the plan was made from.
    pub async fn apply_gc(&self, plan: GcPlan, progress: &Progress) -> Result<GcReport> {
        let (row, max_time, geometric) = (plan.repo.clone(), plan.max_time, plan.report.geometric);
        let done = Box::pin(self.apply_current(plan, progress)).await;
        if done.is_ok() && max_time.is_none() {
            self.prepare_fetches(&row, runs_to_merge(geometric)).await;
        }
        self.remembering(row.id, "gc", done).await
    }
}

/// A full consolidation rewrites all of a repo, and makes one run of its index, too.
fn runs_to_merge(geometric: Option<u32>) -> RunsToMerge {
    match geometric {
        Some(_) => RunsToMerge::Due,
        None => RunsToMerge::All,
    }
}

/// Which packs are on the shelves, by shelf: enough to tell whether that has changed.
pub(super) fn standing(shelves: &[Shelf]) -> Vec<(ShelfId, i64)> {
    shelves.iter().map(|s| (s.id, s.generation)).collect()
}
