//! Jobs and policies.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::operation::{IndexOptions, Operation};
use packhouse_model::report::{JobReport, JobStatus, Policy};

use super::state::State;
use super::{MemoryCatalog, deleted};
use crate::{
    Again, ChangedRepos, Failure, Fence, JobEnd, JobQuery, Jobs, NewJob, Pressure, why_cancelled,
};

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) repo: Option<i64>,
    /// Its `repo` is filled in when it is returned.
    report: JobReport,
    /// Rises each time it is taken, and when it is cancelled.
    fence: i64,
}

impl Job {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.report.status, JobStatus::Queued | JobStatus::Running)
    }

    fn runs(&self) -> bool {
        self.report.status == JobStatus::Running
    }

    /// Ends it: the worker that has it has lost it.
    pub(super) fn stop(&mut self, status: JobStatus, reason: &str, now: Timestamp) {
        self.fence += 1;
        let report = &mut self.report;
        (report.status, report.reason, report.finished_at, report.lease_until) =
            (status, Some(reason.into()), Some(now), None);
        report.error_code = None;
    }

    /// When it is due, once it is.
    fn due(&self, now: Timestamp) -> bool {
        match self.report.status {
            JobStatus::Queued => self.report.run_at <= now,
            JobStatus::Running => self.report.lease_until.is_some_and(|until| until < now),
            _ => false,
        }
    }

    /// Whether one of both is enough while it waits.
    fn is_like(&self, repo: Option<i64>, operation: &Operation) -> bool {
        let mine = &self.report.operation;
        operation.waits_once() && mine.job_type() == operation.job_type() && self.repo == repo
    }
}

/// Jobs are kept to the millisecond.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).expect("a time cut short is one")
}

impl State {
    /// Whether a repo was deleted, or does not exist.
    pub(super) fn is_deleted(&self, repo: i64) -> bool {
        self.repos.get(&repo).is_none_or(super::state::Repo::is_deleted)
    }

    fn told(&self, id: i64) -> Option<JobReport> {
        let job = self.jobs.get(&id)?;
        let repo =
            job.repo.and_then(|repo| self.repos.get(&repo)).filter(|repo| !repo.is_deleted());
        Some(JobReport { repo: repo.map(|repo| repo.row.name.clone()), ..job.report.clone() })
    }

    /// How many queued jobs are due.
    pub(super) fn jobs_due(&self, now: Timestamp) -> u64 {
        let is_due =
            |job: &&Job| job.report.status == JobStatus::Queued && job.report.run_at <= whole(now);
        self.jobs.values().filter(is_due).count() as u64
    }

    /// When the first queued job is due.
    pub(super) fn next_job_at(&self) -> Option<Timestamp> {
        let queued = self.jobs.values().filter(|job| job.report.status == JobStatus::Queued);
        queued.map(|job| job.report.run_at).min()
    }

    /// Until when the last lease is valid.
    pub(super) fn leased_until(&self) -> Option<Timestamp> {
        let running = self.jobs.values().filter(|job| job.runs());
        running.filter_map(|job| job.report.lease_until).max()
    }

    /// The jobs that failed because of damage that is not known any more.
    fn healed_jobs(&self) -> impl Iterator<Item = &JobReport> {
        let is_damaged =
            |repo: &i64| !self.repos[repo].is_deleted() && !self.damage(*repo).is_empty();
        let damaged: BTreeSet<i64> = self.repos.keys().copied().filter(is_damaged).collect();
        let is_healed = move |job: &&Job| {
            job.report.status == JobStatus::Failed
                && job.report.error_code.as_deref() == Some(Error::DAMAGE_CODE)
                && job.repo.map_or(damaged.is_empty(), |repo| !damaged.contains(&repo))
                && self.is_replaced(job)
        };
        self.jobs.values().filter(is_healed).map(|job| &job.report)
    }

    /// Whether nothing is left to do of a failed job when the damage is repaired. A push brings
    /// nothing then, and a mirror follows nothing, unless there is another one.
    fn is_replaced(&self, failed: &Job) -> bool {
        let is_mirror = |job: &Job| matches!(job.report.operation, Operation::Mirror(_));
        let follows = |(id, other): (&i64, &Job)| {
            use JobStatus::{Queued, Running};
            let is_active = matches!(other.report.status, Queued | Running);
            other.repo == failed.repo
                && is_mirror(other)
                && (*id > failed.report.id || *id < failed.report.id && is_active)
        };
        match failed.report.operation {
            Operation::Index(_) => false,
            Operation::Mirror(_) => self.jobs.iter().any(follows),
            _ => true,
        }
    }

    pub(super) fn has_lease(&self, fence: Option<Fence>) -> bool {
        fence.is_none_or(|fence| {
            self.jobs.get(&fence.job).is_some_and(|job| job.runs() && job.fence == fence.number)
        })
    }

    fn leased(&mut self, fence: Fence) -> Option<&mut Job> {
        self.has_lease(Some(fence)).then(|| self.jobs.get_mut(&fence.job))?
    }

    /// The job of the same type that waits, if there is one; of mirrors also one that runs, because it
    /// will wait again. It does this as well from now on, unless their options exclude each other.
    /// `except`: a job that does not count.
    fn join_waiting(
        &mut self,
        repo: Option<i64>,
        operation: &Operation,
        except: Option<i64>,
    ) -> Option<&JobReport> {
        let waits = |job: &&mut Job| {
            let goes_on = job.runs() && matches!(operation, Operation::Mirror(_));
            (goes_on || job.report.status == JobStatus::Queued)
                && Some(job.report.id) != except
                && job.is_like(repo, operation)
        };
        let waiting = &mut self.jobs.values_mut().find(waits)?.report;
        if let Some(wider) = waiting.operation.wider(operation) {
            waiting.operation = wider.clone();
        }
        Some(waiting)
    }

    pub(super) fn is_waited_for(&self, key: &MpackKey) -> bool {
        let has = |job: &Job| match &job.report.operation {
            Operation::Index(IndexOptions { packs, .. }) => {
                packs.iter().any(|pack| pack.mpack_key == *key)
            }
            _ => false,
        };
        self.jobs.values().any(|job| job.is_open() && has(job))
    }

    /// Whether a consolidation of its repo runs besides, or a push of it comes first.
    fn is_blocked(&self, job: &Job) -> bool {
        let indexes =
            |job: &Job| matches!(job.report.operation, Operation::Index(IndexOptions { .. }));
        let before = |other: &Job| {
            other.report.id < job.report.id && other.repo == job.repo && other.is_open()
        };
        if indexes(job) && self.jobs.values().any(|other| indexes(other) && before(other)) {
            return true;
        }
        let is_gc = |job: &Job| matches!(job.report.operation, Operation::Gc(_));
        let runs_gc =
            |other: &Job| is_gc(job) && other.runs() && is_gc(other) && other.repo == job.repo;
        self.jobs.values().any(|other| other.report.id != job.report.id && runs_gc(other))
    }

    fn take(
        &mut self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Option<(JobReport, Fence)> {
        let due = self.jobs.values().filter(|job| job.due(whole(now)) && !self.is_blocked(job));
        let id = due.min_by_key(|job| (job.report.run_at, job.report.id))?.report.id;
        let job = self.jobs.get_mut(&id)?;
        job.fence += 1;
        let fence = Fence { job: id, number: job.fence };
        let report = &mut job.report;
        (report.status, report.worker, report.attempt) =
            (JobStatus::Running, Some(worker.into()), report.attempt + 1);
        (report.lease_until, report.started_at, report.finished_at) =
            (Some(whole(lease_until)), Some(now), None);
        Some((self.told(id)?, fence))
    }

    fn end(&mut self, fence: Fence, end: &JobEnd, now: Timestamp) -> Option<JobReport> {
        let JobReport { id, operation, .. } = self.leased(fence)?.report.clone();
        let repo = self.jobs[&id].repo;
        let other = match end {
            JobEnd::Again(Again { reason, .. }) => self
                .join_waiting(repo, &operation, Some(id))
                .map(|other| why_cancelled(reason, (id, &operation), (other.id, &other.operation))),
            JobEnd::Done(_) | JobEnd::Failed(_) => None,
        };
        let report = &mut self.leased(fence)?.report;
        report.lease_until = None;
        match (end, other) {
            (JobEnd::Done(result), _) => {
                (report.status, report.finished_at) = (JobStatus::Done, Some(now));
                (report.reason, report.result) = (None, Some(result.clone()));
                report.error_code = None;
            }
            (JobEnd::Failed(Failure { reason, code }), _) => {
                (report.status, report.finished_at) = (JobStatus::Failed, Some(now));
                report.reason = Some(reason.clone());
                report.error_code = Some((*code).to_owned());
            }
            (JobEnd::Again(Again { code, .. }), Some(why)) => {
                (report.status, report.finished_at) = (JobStatus::Cancelled, Some(now));
                (report.reason, report.error_code) = (Some(why), code.map(str::to_owned));
            }
            (JobEnd::Again(Again { at, reason, code, attempt }), None) => {
                (report.status, report.run_at) = (JobStatus::Queued, whole(*at));
                report.reason = Some(reason.clone());
                report.error_code = code.map(str::to_owned);
                report.attempt = *attempt;
            }
        }
        self.told(id)
    }

    fn retry(&mut self, id: i64, now: Timestamp) -> Option<JobReport> {
        let job = self.jobs.get(&id)?;
        if !matches!(job.report.status, JobStatus::Failed | JobStatus::Cancelled) {
            return None;
        }
        let (repo, operation) = (job.repo, job.report.operation.clone());
        if let Some(other) = self.join_waiting(repo, &operation, None).map(|other| other.id) {
            return self.told(other);
        }
        if repo.is_some_and(|repo| self.is_deleted(repo)) {
            return None;
        }
        let report = &mut self.jobs.get_mut(&id)?.report;
        (report.status, report.attempt, report.run_at) = (JobStatus::Queued, 0, whole(now));
        (report.finished_at, report.reason, report.error_code) = (None, None, None);
        self.told(id)
    }
}

#[async_trait]
impl Jobs for MemoryCatalog {
    async fn add_job(&self, job: &NewJob) -> Result<JobReport> {
        let mut state = self.write();
        if job.repo.is_some_and(|repo| state.is_deleted(repo)) {
            return Err(deleted());
        }
        let waiting = state.join_waiting(job.repo, &job.operation, None).map(|waiting| waiting.id);
        let id = waiting.unwrap_or_else(|| {
            state.asked += 1;
            let id = state.asked;
            let report = JobReport {
                id,
                repo: None,
                operation: job.operation.clone(),
                status: JobStatus::Queued,
                attempt: 0,
                created_at: job.now,
                run_at: whole(job.now),
                started_at: None,
                finished_at: None,
                worker: None,
                lease_until: None,
                reason: None,
                result: None,
                error_code: None,
                healed: false,
                traceparent: job.traceparent.clone(),
            };
            state.jobs.insert(id, Job { repo: job.repo, report, fence: 0 });
            id
        });
        Ok(state.told(id).expect("it was just put there"))
    }

    async fn jobs(&self, query: JobQuery) -> Result<Vec<JobReport>> {
        let state = self.read();
        let asked_for = |job: &&Job| {
            query.repo.is_none_or(|repo| job.repo == Some(repo))
                && query.status.is_none_or(|status| job.report.status == status)
                && query.before.is_none_or(|before| job.report.id < before)
        };
        let found = state.jobs.values().rev().filter(asked_for).take(query.limit as usize);
        Ok(found.filter_map(|job| state.told(job.report.id)).collect())
    }

    async fn job(&self, id: i64) -> Result<Option<JobReport>> {
        Ok(self.read().told(id))
    }

    async fn healed_jobs(&self, among: RangeInclusive<i64>) -> Result<BTreeSet<i64>> {
        let state = self.read();
        Ok(state.healed_jobs().map(|job| job.id).filter(|id| among.contains(id)).collect())
    }

    async fn healed_counts(&self) -> Result<Vec<(String, u64)>> {
        let mut counts = BTreeMap::<&str, u64>::new();
        let state = self.read();
        for job in state.healed_jobs() {
            *counts.entry(job.operation.job_type()).or_default() += 1;
        }
        Ok(counts.into_iter().map(|(operation, count)| (operation.to_owned(), count)).collect())
    }

    async fn job_counts(&self) -> Result<Vec<(String, JobStatus, u64)>> {
        // Sorted by their labels.
        let mut counts: BTreeMap<(&str, &str), (JobStatus, u64)> = BTreeMap::new();
        let state = self.read();
        for JobReport { operation, status, .. } in state.jobs.values().map(|job| &job.report) {
            counts.entry((operation.job_type(), status.as_str())).or_insert((*status, 0)).1 += 1;
        }
        Ok(counts
            .into_iter()
            .map(|((operation, _), (status, count))| (operation.to_owned(), status, count))
            .collect())
    }

    async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>> {
        Ok(self.write().take(worker, now, lease_until))
    }

    async fn renew_lease(&self, fence: Fence, lease_until: Timestamp) -> Result<bool> {
        let mut state = self.write();
        let job = state.leased(fence);
        Ok(job.map(|job| job.report.lease_until = Some(whole(lease_until))).is_some())
    }

    async fn end_job(
        &self,
        fence: Fence,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<Option<JobReport>> {
        Ok(self.write().end(fence, end, now))
    }

    async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        Ok(self.write().retry(id, now))
    }

    async fn cancel_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        let mut state = self.write();
        let Some(job) = state.jobs.get_mut(&id).filter(|job| job.is_open()) else {
            return Ok(None);
        };
        job.stop(JobStatus::Cancelled, "cancelled by a user", now);
        Ok(state.told(id))
    }

    async fn waiting_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        let state = self.read();
        Ok(keys.iter().map(|key| state.is_waited_for(key)).collect())
    }

    async fn policies(&self) -> Result<Vec<(i64, Policy)>> {
        let state = self.read();
        let of_live =
            state.policies.iter().filter(|(repo, _)| **repo == 0 || !state.is_deleted(**repo));
        Ok(of_live.map(|(repo, policy)| (*repo, *policy)).collect())
    }

    async fn set_policy(&self, repo: i64, policy: Option<&Policy>) -> Result<()> {
        let mut state = self.write();
        match policy {
            Some(policy) => drop(state.policies.insert(repo, *policy)),
            None => drop(state.policies.remove(&repo)),
        }
        Ok(())
    }

    async fn changed_repos(&self, since: i64) -> Result<ChangedRepos> {
        let state = self.read();
        let from = usize::try_from(since).unwrap_or(0).min(state.changed.len());
        let repos = state.changed[from..].iter().filter_map(|repo| state.repos.get(repo));
        let mut repos: Vec<RepoName> =
            repos.filter(|repo| !repo.is_deleted()).map(|repo| repo.row.name.clone()).collect();
        repos.sort_unstable();
        repos.dedup();
        Ok(ChangedRepos { repos, last: state.changed.len() as i64 })
    }

    async fn pressures(&self, repo: Option<i64>) -> Result<Vec<Pressure>> {
        let state = self.read();
        let asked_for = state
            .repos
            .values()
            .filter(|one| !one.is_deleted() && repo.is_none_or(|repo| repo == one.row.id));
        let mut pressures = Vec::new();
        for one in asked_for {
            let mapped =
                one.shelves(&state.packs).into_iter().filter(|shelf| shelf.mapped.total() > 0);
            let packs: BTreeMap<MpackKey, _> =
                mapped.map(|shelf| (shelf.pack.key, shelf.pack)).collect();
            if packs.len() > 1 {
                pressures.push(Pressure {
                    repo: one.row.id,
                    consolidated_bytes: packs
                        .values()
                        .filter(|pack| pack.consolidated)
                        .map(|pack| pack.bytes)
                        .sum(),
                    oldest_unconsolidated: packs
                        .values()
                        .filter(|pack| !pack.consolidated)
                        .map(|pack| pack.stored_at)
                        .min(),
                });
            }
        }
        Ok(pressures)
    }
}
