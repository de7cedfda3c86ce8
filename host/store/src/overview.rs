//! The operator's view: summaries of repos, a repo's packs, its timeline, and a change counter.

use std::collections::BTreeMap;

use packhouse_catalog::{PackChange, PackRow, Sums};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::{Moment, PackReport, RepoDetail, RepoSummary};

use super::Store;

/// Moments of a repo's timeline in its detail: more than a chart has columns.
const MOMENTS: u32 = 500;

/// Consolidations in a repo's detail.
const HISTORY: u32 = 50;

impl Store {
    /// Repos in a line each, by name (owner, then slug), after one, at most `limit`. Reads no pack,
    /// and costs a few microseconds a repo.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn summaries(
        &self,
        after: Option<&RepoName>,
        limit: u32,
    ) -> Result<Vec<RepoSummary>> {
        self.catalog.summaries(after, limit).await
    }

    /// All repos in a line each, by name.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn every_summary(&self) -> Result<Vec<RepoSummary>> {
        const PAGE: u32 = 1000;
        let mut all: Vec<RepoSummary> = Vec::new();
        loop {
            let page = self.summaries(all.last().map(|repo| &repo.repo), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// One repo in a line.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        self.catalog.summary(repo).await?.ok_or_else(|| Error::UnknownRepo(repo.clone()))
    }

    /// The packs of a repo: those on its shelves, oldest first, then those that only wait for
    /// deletion, in the order in which they were replaced.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn packs(&self, repo: &RepoName) -> Result<Vec<PackReport>> {
        let row = self.known_repo(repo).await?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let shelves = snapshot.shelves().await?;
        let mut retired = snapshot.retired().await?;
        drop(snapshot);

        // Each pack once, with the records and bytes that the index maps to it.
        let mut held: BTreeMap<i64, (u64, u64, &PackRow)> = BTreeMap::new();
        for shelf in &shelves {
            let (records, bytes, _) = held.entry(shelf.pack.id).or_insert((0, 0, &shelf.pack));
            *records += shelf.mapped.total();
            *bytes += shelf.needed_bytes();
        }
        retired.retain(|retired| !held.contains_key(&retired.pack.id));
        retired.sort_by_key(|retired| (retired.at, retired.pack.stored_at, retired.pack.id));
        let mut held: Vec<_> = held.into_values().collect();
        // Packs stored together have one time: then the catalog's id tells which was first.
        held.sort_by_key(|(.., pack)| (pack.stored_at, pack.id));
        let held = held.into_iter().map(|(records, bytes, pack)| (records, bytes, None, pack));
        let retired = retired.iter().map(|retired| (0, 0, Some(retired.at), &retired.pack));
        let report =
            |(needed_records, needed_bytes, retired_at, pack): (_, _, _, &PackRow)| PackReport {
                key: pack.key,
                bytes: pack.bytes,
                records: pack.records,
                stored_at: pack.stored_at,
                consolidated: pack.consolidated,
                needed_records,
                needed_bytes,
                retired_at,
            };
        Ok(held.chain(retired).map(report).collect())
    }

    /// The timeline of a repo, oldest first: its packs after each of the last `limit` pushes and
    /// consolidations. The last moment is the present. Starts where the catalog began to count
    /// changes.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn timeline(&self, repo: &RepoName, limit: u32) -> Result<Vec<Moment>> {
        let row = self.known_repo(repo).await?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let sums = Sums::of(&snapshot.shelves().await?, &[]);
        let changes = snapshot.changes(limit).await?;
        drop(snapshot);
        Ok(moments(sums.packs, sums.bytes, &changes))
    }

    /// A repo in detail: the last moments of its timeline, and its last consolidations.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn detail(&self, repo: &RepoName) -> Result<RepoDetail> {
        Ok(RepoDetail {
            report: self.repo(repo).await?,
            summary: self.summary(repo).await?,
            packs: self.packs(repo).await?,
            timeline: self.timeline(repo, MOMENTS).await?,
            history: self.gc_history(repo, HISTORY).await?,
        })
    }

    /// A number that changes when anything in the store may have changed since the last call, by
    /// this process or another. Costs microseconds, and reading changes nothing. Numbers of two
    /// opened stores don't compare.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn change_stamp(&self) -> Result<u64> {
        self.catalog.change_stamp().await
    }

    /// Finds out whether anything can be written to the catalog now. Leaves nothing there.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe_writing(&self) -> Result<()> {
        self.catalog.probe_writing().await
    }
}

/// Goes back from the present, change by change (newest first). Gives them oldest first.
fn moments(mut packs: u64, mut bytes: u64, changes: &[PackChange]) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(changes.len());
    for change in changes {
        moments.push(Moment { at: change.at, cause: change.cause, packs, bytes });
        packs = packs.saturating_add_signed(-change.packs);
        bytes = bytes.saturating_add_signed(-change.bytes);
    }
    moments.reverse();
    moments
}
