//! The catalog in memory: for tests, demos and embedding. It is lost when the process ends.
//!
//! It is also the reference that the databases are compared with, so it is as plain as possible:
//! one mutex around maps, so each call is atomic; a snapshot is a copy of the repo. What SQL keeps
//! up to date (counts of shelves, sums of repos) is counted again for each call. Where a database
//! and this one differ, one of them misreads the port.
//!
//! A publication that contradicts the index (a new entity that it has, a moved one that it does
//! not have) panics: it is a bug of the caller.

mod access;
mod answers;
mod fetch_requests;
mod graph;
mod jobs;
mod publish;
mod releases;
mod scrubs;
mod snapshot;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::EntityId;
use packhouse_model::client::RepoSettings;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, Visibility};
use packhouse_model::report::{DeletedRepo, GcEntry, GcRecord, GcReport, RepoSummary};
use tokio::sync::RwLock;

use self::state::{GcRun, Repo, State};
use crate::{
    Alerts, AwaitedParent, BranchDeletion, Catalog, CommitGraph, CompletePack, Consolidation,
    DamageFindings, DeletionSummary, EntityKey, GcLogQuery, ListedRepo, LockGuard, LockMode,
    PublishOutcome, Push, RebuiltIndex, RepoRestoration, RepoRow, RestoreOutcome, RunsToMerge,
    Snapshot, StoredPacks, Totals, UnneededPack,
};

/// A catalog in memory. It is empty at first, and each one is a catalog of its own.
///
/// A repo of a few thousand entities is read in milliseconds, and thousands of repos are listed in
/// as much: each call counts what it returns, so use a database for more.
#[derive(Debug)]
pub struct MemoryCatalog {
    number: u64,
    state: Mutex<State>,
    /// Shared for publishing, exclusive for deleting. It is fair: first come, first served.
    turns: Arc<RwLock<()>>,
}

impl Default for MemoryCatalog {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        MemoryCatalog {
            number: MADE.fetch_add(1, Ordering::SeqCst),
            state: Mutex::default(),
            turns: Arc::default(),
        }
    }
}

impl MemoryCatalog {
    /// What there is, to read.
    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is, to change.
    fn write(&self) -> MutexGuard<'_, State> {
        let mut state = self.read();
        state.stamp += 1;
        state
    }
}

fn deleted() -> Error {
    Error::DeletedMeanwhile
}

#[async_trait]
impl Catalog for MemoryCatalog {
    fn place(&self) -> String {
        "memory".into()
    }

    fn identity(&self) -> String {
        format!("memory {}", self.number)
    }

    async fn clock(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64> {
        Ok(self.write().settle_times(now, repo))
    }

    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>> {
        let mut state = self.write();
        if state.named(name).is_some() {
            return Ok(None);
        }
        state.made += 1;
        let number = state.made;
        state.repos.insert(number, Repo::new(number, name.clone(), id, visibility, now));
        Ok(Some(state.row(number)))
    }

    async fn set_repo(&self, repo: i64, settings: &RepoSettings) -> Result<Option<RepoRow>> {
        Ok(self.write().set_repo(repo, settings))
    }

    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>> {
        Ok(self.write().delete_repo(repo, now))
    }

    async fn restore_repo(
        &self,
        restoration: &RepoRestoration,
        now: Timestamp,
        _: &LockGuard,
    ) -> Result<RestoreOutcome> {
        Ok(self.write().restore_repo(restoration, now))
    }

    async fn restorable_repos(&self, name: &RepoName) -> Result<Vec<DeletedRepo>> {
        Ok(self.read().restorable_repos(name))
    }

    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>> {
        let state = self.read();
        let deleted =
            state.repos.values().filter(|repo| repo.deleted_at.is_some_and(|at| at <= until));
        Ok(deleted.map(|repo| state.row(repo.row.id)).collect())
    }

    async fn forget_repo(&self, repo: i64, now: Timestamp, _: &LockGuard) -> Result<bool> {
        Ok(self.write().forget_repo(repo, now))
    }

    async fn freshen(&self, repo: &RepoRow, entities: &[EntityKey], at: Timestamp) -> Result<bool> {
        let mut state = self.write();
        let Some(there) = state.repos.get_mut(&repo.id) else { return Ok(false) };
        if there.is_deleted() || there.row.drops != repo.drops {
            return Ok(false);
        }
        there.row.freshenings += 1;
        there.freshen(entities, at);
        Ok(true)
    }

    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>> {
        let state = self.read();
        Ok(state.named(name).map(|repo| state.row(repo)))
    }

    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>> {
        let state = self.read();
        Ok(state.page(after, limit).into_iter().map(|repo| state.row(repo)).collect())
    }

    async fn listed(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<ListedRepo>> {
        let state = self.read();
        let last = state.last_runs();
        let listed = |repo| state.listed(repo, last.get(&repo).copied());
        Ok(state.page(after, limit).into_iter().map(listed).collect())
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        let state = self.read();
        let last = state.last_runs();
        let summary = |repo| state.summary(repo, last.get(&repo).copied());
        Ok(state.page(after, limit).into_iter().map(summary).collect())
    }

    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>> {
        let state = self.read();
        Ok(state.named(name).map(|repo| state.summary(repo, state.last_runs().get(&repo).copied())))
    }

    async fn probe_writing(&self) -> Result<()> {
        Ok(())
    }

    async fn totals(&self) -> Result<Totals> {
        let state = self.read();
        let mut totals = Totals::default();
        for repo in state.page(None, u32::MAX) {
            let summary = state.summary(repo, None);
            totals.repos += 1;
            totals.most_packs = totals.most_packs.max(summary.packs);
            totals.packs += summary.packs;
            totals.bytes += summary.bytes;
            totals.duplicate_bytes += summary.duplicate_bytes;
            totals.superseded_bytes += summary.superseded_bytes;
            totals.objects += summary.objects;
            totals.damaged += summary.damaged;
        }
        Ok(totals)
    }

    async fn alerts(&self, retired_until: Timestamp, now: Timestamp) -> Result<Alerts> {
        let state = self.read();
        let damaged =
            state.page(None, u32::MAX).into_iter().filter(|repo| !state.damage(*repo).is_empty());
        let mut alerts = Alerts {
            damaged_repos: damaged.count() as u64,
            jobs_due: state.jobs_due(now),
            next_job_at: state.next_job_at(),
            leased_until: state.leased_until(),
            ..Alerts::default()
        };
        for unneeded in state.unneeded_packs() {
            alerts.unneeded_packs += 1;
            alerts.unneeded_bytes += unneeded.pack.bytes;
            if unneeded.at <= retired_until {
                alerts.prunable_packs += 1;
                alerts.prunable_bytes += unneeded.pack.bytes;
            }
        }
        Ok(alerts)
    }

    async fn stored_packs(&self) -> Result<StoredPacks> {
        let state = self.read();
        let bytes = state.packs.values().map(|pack| pack.bytes).sum();
        Ok(StoredPacks { packs: state.packs.len() as u64, bytes })
    }

    async fn change_stamp(&self) -> Result<u64> {
        Ok(self.read().stamp)
    }

    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>> {
        snapshot::of(&self.read(), repo).ok_or_else(deleted)
    }

    async fn publish_push(&self, push: &Push, _: &LockGuard) -> Result<PublishOutcome> {
        Ok(self.write().publish_push(push))
    }

    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome> {
        Ok(self.write().delete_branch(deletion))
    }

    async fn publish_consolidation(
        &self,
        consolidation: &Consolidation,
        _: &LockGuard,
    ) -> Result<PublishOutcome> {
        Ok(self.write().publish_consolidation(consolidation))
    }

    async fn old_indexes(&self, _: i64, _: u32) -> Result<Vec<i64>> {
        Ok(Vec::new())
    }

    async fn indexes_to_merge(&self, _: i64, _: u32) -> Result<Vec<i64>> {
        Ok(Vec::new())
    }

    async fn merge_index(
        &self,
        _: i64,
        _: RunsToMerge,
        _: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Result<u64> {
        Ok(0)
    }

    async fn convert_index(&self, _: i64) -> Result<u64> {
        Ok(0)
    }

    async fn rebuild_index(&self, index: &RebuiltIndex, _: &LockGuard) -> Result<PublishOutcome> {
        Ok(self.write().rebuild_index(index))
    }

    async fn note_complete_pack(
        &self,
        repo: &RepoRow,
        pack: &MpackKey,
        complete: &CompletePack,
    ) -> Result<PublishOutcome> {
        Ok(self.write().note_complete_pack(repo, pack, complete))
    }

    async fn record_gc(
        &self,
        repo: i64,
        record: &GcRecord,
        report: Option<&GcReport>,
    ) -> Result<()> {
        let mut state = self.write();
        // Doing nothing again is no news.
        let last = state.runs.iter_mut().rfind(|run| run.repo == repo);
        if let Some(last) = last
            && [&last.record, record].iter().all(|record| record.outcome == "skipped")
            && last.record.consolidated_key == record.consolidated_key
            && last.report.is_none()
            && report.is_none()
        {
            let before = last.record.clone();
            let GcRecord { finished_at, elapsed_ms, component, .. } = record.clone();
            last.record = GcRecord { finished_at, elapsed_ms, component, ..before };
        } else {
            let id = state.runs.last().map_or(1, |run| run.id + 1);
            state.runs.push(GcRun { id, repo, record: record.clone(), report: report.cloned() });
        }
        Ok(())
    }

    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>> {
        let state = self.read();
        let of_it = state.runs.iter().rev().filter(|run| run.repo == repo);
        Ok(of_it.take(limit as usize).map(|run| run.record.clone()).collect())
    }

    async fn gc_log(&self, query: GcLogQuery<'_>) -> Result<Vec<GcEntry>> {
        let state = self.read();
        let asked_for = |run: &&GcRun| {
            query.repo.is_none_or(|repo| repo == run.repo)
                && query.before.is_none_or(|id| run.id < id)
        };
        let entries = state.runs.iter().rev().filter(asked_for).filter_map(|run| state.entry(run));
        Ok(entries
            .filter(|entry| holds_text(entry, query.text))
            .take(query.limit as usize)
            .collect())
    }

    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>> {
        let state = self.read();
        let done = state.runs.iter().rev().filter(|run| run.record.outcome == "consolidated");
        let pace = |run: &GcRun| {
            let bytes = run.report.as_ref().map(|report| report.bytes_written);
            (bytes.unwrap_or(run.record.bytes_after), run.record.elapsed_ms)
        };
        Ok(done.take(limit as usize).map(pace).collect())
    }

    async fn lock(&self, mode: LockMode) -> Result<LockGuard> {
        Ok(match mode {
            LockMode::Publishing => LockGuard::new(self.turns.clone().read_owned().await),
            LockMode::Deleting => LockGuard::new(self.turns.clone().write_owned().await),
        })
    }

    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>> {
        Ok(self.read().unneeded_packs())
    }

    async fn deletable_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        _: &LockGuard,
    ) -> Result<Vec<UnneededPack>> {
        let state = self.read();
        let mut unneeded = state.unneeded_packs();
        unneeded.retain(|unneeded| {
            packs.contains(&unneeded.pack.key)
                && unneeded.at <= until
                && !state.is_kept(&unneeded.pack.key)
        });
        Ok(unneeded)
    }

    async fn forget_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        _: &LockGuard,
    ) -> Result<Vec<MpackKey>> {
        let mut state = self.write();
        Ok(packs.iter().filter(|key| state.forget_pack(key, until)).copied().collect())
    }

    async fn held_packs(&self) -> Result<Vec<MpackKey>> {
        let state = self.read();
        Ok(state.packs.keys().filter(|key| state.is_held(key)).copied().collect())
    }

    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        let state = self.read();
        Ok(keys
            .iter()
            .map(|key| state.packs.contains_key(key) || state.is_waited_for(key))
            .collect())
    }

    async fn damaged_packs(&self) -> Result<Vec<MpackKey>> {
        Ok(self.read().damaged_packs.keys().copied().collect())
    }

    async fn note_findings(&self, findings: &DamageFindings) -> Result<()> {
        self.write().note_findings(findings);
        Ok(())
    }

    async fn last_stored(&self) -> Result<Option<Timestamp>> {
        Ok(self.read().packs.values().map(|pack| pack.stored_at).max())
    }
}

#[async_trait]
impl CommitGraph for MemoryCatalog {
    async fn renumber(
        &self,
        repo: &RepoRow,
        generations: &[(EntityId, u64)],
    ) -> Result<PublishOutcome> {
        Ok(self.write().renumber(repo, generations))
    }

    async fn end_renumbering(
        &self,
        repo: &RepoRow,
        floor: Option<u64>,
        awaited: &[AwaitedParent],
    ) -> Result<PublishOutcome> {
        Ok(self.write().end_renumbering(repo, floor, awaited))
    }

    /// The commit of each tag is known: no older packhouse wrote here.
    async fn tell_tags(&self, _: i64, _: &[(EntityId, EntityId)]) -> Result<()> {
        Ok(())
    }
}

/// Whether a run holds a text, whatever the case of ASCII letters.
fn holds_text(entry: &GcEntry, text: &str) -> bool {
    let GcRecord { outcome, consolidated_key, error, .. } = &entry.record;
    let name = entry.repo.to_string();
    let texts = [Some(&name), Some(outcome), consolidated_key.as_ref(), error.as_ref()];
    texts
        .into_iter()
        .flatten()
        .any(|held| held.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
}
