//! A catalog that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::EntityId;
use packhouse_host::catalog::{
    Access, Alerts, Answers, AwaitedParent, BranchDeletion, Catalog, ChangedRepos, CommitGraph,
    CompletePack, Consolidation, DamageFindings, DeletionSummary, EntityKey, Fence, FetchRequests,
    GcLogQuery, JobEnd, JobQuery, Jobs, ListedRepo, LockGuard, LockMode, NewAnswer,
    NewFetchRequest, NewJob, Pressure, PublishOutcome, Push, PutRelease, RebuiltIndex, ReleaseRow,
    Releases, RepoRestoration, RepoRow, RequestBudget, RestoreOutcome, RunsToMerge, ScrubTask,
    Scrubs, Snapshot, StoredPacks, TokenRow, Totals, UnneededPack,
};
use packhouse_host::error::ExhaustedBudget;
use packhouse_host::{
    DeletedRepo, GcEntry, GcRecord, GcReport, JobReport, JobStatus, MpackKey, Policy, RepoId,
    RepoName, RepoSettings, RepoSummary, Result, ScrubState, Visibility,
};

use crate::counted::CountedSnapshot;

use super::{Counted, Fault};

#[derive(Debug)]
pub(super) struct FaultyCatalog {
    pub(super) inner: Arc<dyn Catalog>,
    pub(super) fault: Fault,
}

#[async_trait]
impl Catalog for FaultyCatalog {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn identity(&self) -> String {
        self.inner.identity()
    }
    async fn clock(&self) -> Result<Option<Timestamp>> {
        self.inner.clock().await
    }
    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64> {
        self.fault.around(self.inner.settle_times(now, repo)).await
    }
    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>> {
        self.inner.create_repo(name, id, visibility, now).await
    }
    async fn set_repo(&self, repo: i64, settings: &RepoSettings) -> Result<Option<RepoRow>> {
        self.fault.around(self.inner.set_repo(repo, settings)).await
    }
    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>> {
        self.fault.around(self.inner.delete_repo(repo, now)).await
    }
    async fn restore_repo(
        &self,
        restoration: &RepoRestoration,
        now: Timestamp,
        lock: &LockGuard,
    ) -> Result<RestoreOutcome> {
        self.fault.around(self.inner.restore_repo(restoration, now, lock)).await
    }
    async fn restorable_repos(&self, name: &RepoName) -> Result<Vec<DeletedRepo>> {
        self.inner.restorable_repos(name).await
    }
    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>> {
        self.fault.around(self.inner.deleted_repos(until)).await
    }
    async fn forget_repo(&self, repo: i64, now: Timestamp, lock: &LockGuard) -> Result<bool> {
        self.fault.around(self.inner.forget_repo(repo, now, lock)).await
    }
    async fn freshen(&self, repo: &RepoRow, entities: &[EntityKey], at: Timestamp) -> Result<bool> {
        self.fault.around(self.inner.freshen(repo, entities, at)).await
    }
    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>> {
        self.fault.around(self.inner.repo(name)).await
    }
    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>> {
        self.fault.around(self.inner.repos(after, limit)).await
    }
    async fn listed(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<ListedRepo>> {
        self.fault.around(self.inner.listed(after, limit)).await
    }
    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        self.fault.around(self.inner.summaries(after, limit)).await
    }
    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>> {
        self.fault.around(self.inner.summary(name)).await
    }
    async fn probe_writing(&self) -> Result<()> {
        self.fault.around(self.inner.probe_writing()).await
    }
    async fn change_stamp(&self) -> Result<u64> {
        self.fault.around(self.inner.change_stamp()).await
    }
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>> {
        let inner = self.fault.around(self.inner.snapshot(repo)).await?;
        Ok(Box::new(CountedSnapshot { inner, walked: self.fault.walked.clone() }))
    }
    async fn publish_push(&self, push: &Push, lock: &LockGuard) -> Result<PublishOutcome> {
        self.fault.around(self.inner.publish_push(push, lock)).await
    }
    async fn old_indexes(&self, after: i64, limit: u32) -> Result<Vec<i64>> {
        self.fault.around(self.inner.old_indexes(after, limit)).await
    }
    async fn indexes_to_merge(&self, after: i64, limit: u32) -> Result<Vec<i64>> {
        self.fault.around(self.inner.indexes_to_merge(after, limit)).await
    }
    async fn merge_index(
        &self,
        repo: i64,
        runs: RunsToMerge,
        now: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Result<u64> {
        self.fault.around(self.inner.merge_index(repo, runs, now)).await
    }
    async fn convert_index(&self, repo: i64) -> Result<u64> {
        self.fault.around(self.inner.convert_index(repo)).await
    }
    async fn rebuild_index(
        &self,
        index: &RebuiltIndex,
        lock: &LockGuard,
    ) -> Result<PublishOutcome> {
        self.fault.around(self.inner.rebuild_index(index, lock)).await
    }
    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome> {
        self.fault.around(self.inner.delete_branch(deletion)).await
    }
    async fn publish_consolidation(
        &self,
        consolidation: &Consolidation,
        lock: &LockGuard,
    ) -> Result<PublishOutcome> {
        let published =
            self.fault.around(self.inner.publish_consolidation(consolidation, lock)).await?;
        if let PublishOutcome::Done { rows } = published {
            self.fault.rows.store(rows, Ordering::SeqCst);
        }
        Ok(published)
    }
    async fn note_complete_pack(
        &self,
        repo: &RepoRow,
        pack: &MpackKey,
        complete: &CompletePack,
    ) -> Result<PublishOutcome> {
        self.inner.note_complete_pack(repo, pack, complete).await
    }
    async fn record_gc(
        &self,
        repo: i64,
        record: &GcRecord,
        report: Option<&GcReport>,
    ) -> Result<()> {
        self.fault.around(self.inner.record_gc(repo, record, report)).await
    }
    async fn totals(&self) -> Result<Totals> {
        self.inner.totals().await
    }
    async fn alerts(&self, retired_until: Timestamp, now: Timestamp) -> Result<Alerts> {
        self.inner.alerts(retired_until, now).await
    }
    async fn stored_packs(&self) -> Result<StoredPacks> {
        self.inner.stored_packs().await
    }
    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>> {
        self.inner.gc_history(repo, limit).await
    }
    async fn gc_log(&self, query: GcLogQuery<'_>) -> Result<Vec<GcEntry>> {
        self.fault.around(self.inner.gc_log(query)).await
    }
    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>> {
        self.fault.around(self.inner.gc_paces(limit)).await
    }
    async fn lock(&self, mode: LockMode) -> Result<LockGuard> {
        let waiting = Counted::up(&self.fault.waiting);
        let lock = self.fault.around(self.inner.lock(mode)).await?;
        drop(waiting);
        Ok(lock.along(Counted::up(&self.fault.locks_held)))
    }
    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>> {
        self.fault.around(self.inner.unneeded_packs()).await
    }
    async fn deletable_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<UnneededPack>> {
        self.fault.around(self.inner.deletable_packs(packs, until, lock)).await
    }
    async fn note_findings(&self, findings: &DamageFindings) -> Result<()> {
        self.inner.note_findings(findings).await
    }
    async fn forget_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<MpackKey>> {
        self.fault.around(self.inner.forget_packs(packs, until, lock)).await
    }
    async fn held_packs(&self) -> Result<Vec<MpackKey>> {
        self.fault.around(self.inner.held_packs()).await
    }
    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        self.fault.around(self.inner.knows_packs(keys)).await
    }
    async fn damaged_packs(&self) -> Result<Vec<MpackKey>> {
        self.inner.damaged_packs().await
    }
    async fn last_stored(&self) -> Result<Option<Timestamp>> {
        self.fault.around(self.inner.last_stored()).await
    }
    async fn checkpoint(&self) -> Result<bool> {
        self.inner.checkpoint().await
    }
    fn is_file(&self) -> bool {
        self.inner.is_file()
    }
    async fn copy_to(&self, file: &Path) -> Result<()> {
        self.fault.around(self.inner.copy_to(file)).await
    }
    async fn open_copy(&self, file: &Path) -> Result<Arc<dyn Catalog>> {
        self.inner.open_copy(file).await
    }
    async fn settle_copy(&self, file: &Path) -> Result<()> {
        self.inner.settle_copy(file).await
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl CommitGraph for FaultyCatalog {
    async fn renumber(
        &self,
        repo: &RepoRow,
        generations: &[(EntityId, u64)],
    ) -> Result<PublishOutcome> {
        self.fault.around(self.inner.renumber(repo, generations)).await
    }
    async fn end_renumbering(
        &self,
        repo: &RepoRow,
        floor: Option<u64>,
        awaited: &[AwaitedParent],
    ) -> Result<PublishOutcome> {
        self.fault.around(self.inner.end_renumbering(repo, floor, awaited)).await
    }
    async fn tell_tags(&self, repo: i64, tags: &[(EntityId, EntityId)]) -> Result<()> {
        self.fault.around(self.inner.tell_tags(repo, tags)).await
    }
}

#[async_trait]
impl Scrubs for FaultyCatalog {
    async fn take_scrub(
        &self,
        now: Timestamp,
        verified_before: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ScrubTask>> {
        self.fault.around(self.inner.take_scrub(now, verified_before, until)).await
    }
    async fn renew_scrub(&self, task: &ScrubTask, until: Timestamp) -> Result<Option<ScrubTask>> {
        self.fault.around(self.inner.renew_scrub(task, until)).await
    }
    async fn scrub_state(&self, verified_before: Timestamp) -> Result<ScrubState> {
        self.fault.around(self.inner.scrub_state(verified_before)).await
    }
}

#[async_trait]
impl Jobs for FaultyCatalog {
    async fn add_job(&self, job: &NewJob) -> Result<JobReport> {
        self.fault.around(self.inner.add_job(job)).await
    }
    async fn jobs(&self, query: JobQuery) -> Result<Vec<JobReport>> {
        self.fault.around(self.inner.jobs(query)).await
    }
    async fn job(&self, id: i64) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.job(id)).await
    }
    async fn healed_jobs(&self, among: RangeInclusive<i64>) -> Result<BTreeSet<i64>> {
        self.fault.around(self.inner.healed_jobs(among)).await
    }
    async fn healed_counts(&self) -> Result<Vec<(String, u64)>> {
        self.fault.around(self.inner.healed_counts()).await
    }
    async fn job_counts(&self) -> Result<Vec<(String, JobStatus, u64)>> {
        self.fault.around(self.inner.job_counts()).await
    }
    async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>> {
        self.fault.around(self.inner.take_job(worker, now, lease_until)).await
    }
    async fn renew_lease(&self, fence: Fence, lease_until: Timestamp) -> Result<bool> {
        self.inner.renew_lease(fence, lease_until).await
    }
    async fn end_job(
        &self,
        fence: Fence,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.end_job(fence, end, now)).await
    }
    async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.retry_job(id, now)).await
    }
    async fn cancel_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        self.fault.around(self.inner.cancel_job(id, now)).await
    }
    async fn waiting_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        self.fault.around(self.inner.waiting_packs(keys)).await
    }
    async fn policies(&self) -> Result<Vec<(i64, Policy)>> {
        self.fault.around(self.inner.policies()).await
    }
    async fn set_policy(&self, repo: i64, policy: Option<&Policy>) -> Result<()> {
        self.fault.around(self.inner.set_policy(repo, policy)).await
    }
    async fn pressures(&self, repo: Option<i64>) -> Result<Vec<Pressure>> {
        self.fault.around(self.inner.pressures(repo)).await
    }
    async fn changed_repos(&self, since: i64) -> Result<ChangedRepos> {
        self.fault.around(self.inner.changed_repos(since)).await
    }
}

#[async_trait]
impl Answers for FaultyCatalog {
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>> {
        self.fault.around(self.inner.answer_of(repo, plan, expires_at)).await
    }
    async fn note_answer(&self, key: &MpackKey, answer: &NewAnswer) -> Result<()> {
        self.fault.around(self.inner.note_answer(key, answer)).await
    }
    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>> {
        self.fault.around(self.inner.expired_answers(repo, now)).await
    }
    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>> {
        self.fault.around(self.inner.repos_with_expired_answers(now)).await
    }
    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()> {
        self.fault.around(self.inner.forget_answers(repo, now)).await
    }
}

#[async_trait]
impl FetchRequests for FaultyCatalog {
    async fn note_fetch_request(
        &self,
        request: &NewFetchRequest,
        now: Timestamp,
        budget: Option<RequestBudget>,
    ) -> Result<Option<ExhaustedBudget>> {
        self.fault.around(self.inner.note_fetch_request(request, now, budget)).await
    }
    async fn fetch_request(
        &self,
        repo: i64,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>> {
        self.fault.around(self.inner.fetch_request(repo, digest, now)).await
    }
    async fn expire_fetch_requests(&self, now: Timestamp) -> Result<u64> {
        self.fault.around(self.inner.expire_fetch_requests(now)).await
    }
}

#[async_trait]
impl Access for FaultyCatalog {
    async fn add_token(&self, token: &TokenRow) -> Result<()> {
        self.fault.around(self.inner.add_token(token)).await
    }
    async fn tokens(&self) -> Result<Vec<TokenRow>> {
        self.fault.around(self.inner.tokens()).await
    }
    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        self.fault.around(self.inner.token(id)).await
    }
    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>> {
        self.fault.around(self.inner.revoke_token(id, now)).await
    }
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        self.fault.around(self.inner.secret(name, fresh)).await
    }
    async fn kept(&self, name: &str) -> Result<Option<[u8; 32]>> {
        self.inner.kept(name).await
    }
    async fn keep(&self, name: &str, value: [u8; 32]) -> Result<()> {
        self.fault.around(self.inner.keep(name, value)).await
    }
}

#[async_trait]
impl Releases for FaultyCatalog {
    async fn put_release(&self, repo: i64, release: &ReleaseRow, most: u64) -> Result<PutRelease> {
        self.fault.around(self.inner.put_release(repo, release, most)).await
    }
    async fn releases(&self, repo: i64) -> Result<Vec<ReleaseRow>> {
        self.fault.around(self.inner.releases(repo)).await
    }
    async fn delete_release(&self, repo: i64, tag: &str) -> Result<bool> {
        self.fault.around(self.inner.delete_release(repo, tag)).await
    }
}
