//! The part of the catalog port for jobs, and for the policies that queue them.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A due job is assigned to one worker at a time. The worker gets a fence that is greater than
//!   all earlier ones; with an older fence, nothing can be published, renewed or finished.
//! - Per repo, at most one consolidation is running and one is queued, and one mirror is running or
//!   queued; per store, one deletion is queued. A second one is not queued, not even for a retry.
//! - Pushes of one repo are indexed in the order of their jobs, because each head follows from the
//!   previous one. A queued push, also one that waits for a retry, blocks those behind it.
//! - The packs of an unfinished job are known, and never forgotten.
//! - Due times and leases have millisecond precision. Job ids ascend in the order of creation,
//!   perhaps with gaps.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::operation::Operation;
use packhouse_model::report::{JobReport, JobStatus, Policy};

use super::Fence;

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The catalog's number of the repo; none for the whole store.
    pub repo: Option<i64>,
    /// What it does.
    pub operation: Operation,
    /// When it was queued.
    pub now: Timestamp,
    /// The trace context of who queues it.
    pub traceparent: Option<String>,
}

/// Which jobs to list, newest first.
#[derive(Clone, Copy, Debug)]
pub struct JobQuery {
    /// Of one repo.
    pub repo: Option<i64>,
    /// With this status.
    pub status: Option<JobStatus>,
    /// Before the one with this number.
    pub before: Option<i64>,
    /// Maximum number of jobs.
    pub limit: u32,
}

/// How a worker's attempt ended.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// It succeeded; with the result of the verb.
    Done(serde_json::Value),
    /// It is retried. If one of the same type waits already, that one does this as well, as by
    /// [`Jobs::add_job`]; this one is cancelled, and its reason names that job.
    Again(Again),
    /// It failed permanently.
    Failed(Failure),
}

/// Another attempt.
#[derive(Clone, Debug)]
pub struct Again {
    /// The earliest time of the next attempt.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The [code](packhouse_model::error::Error::code) of the error, if this attempt failed.
    pub code: Option<&'static str>,
    /// How many attempts count so far: all, or one less after one that was stopped, or 0 after one
    /// that succeeded.
    pub attempt: u32,
}

/// Why a job failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What went wrong, and what to do.
    pub reason: String,
    /// The [code](packhouse_model::error::Error::code) of the error, or of what its
    /// [report](packhouse_model::report::Problem) found.
    pub code: &'static str,
}

/// Repos to which something was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRepos {
    /// Their names, in order.
    pub repos: Vec<RepoName>,
    /// Number of the newest change in the catalog; 0 if there is none.
    pub last: i64,
}

/// Why a job that was to be retried is cancelled: another one waits.
pub fn why_cancelled(
    reason: &str,
    (id, operation): (i64, &Operation),
    (waiting, waits): (i64, &Operation),
) -> String {
    if waits.covers(operation) {
        format!("{reason}. Job {waiting}, which waits, does this as well")
    } else {
        format!(
            "{reason}. Job {waiting} waits, with options that exclude these; when it has ended: packhouse jobs retry {id}"
        )
    }
}

/// The numbers by which a policy decides whether a repo is due for consolidation.
#[derive(Clone, Debug, PartialEq)]
pub struct Pressure {
    /// The catalog's number of the repo.
    pub repo: i64,
    /// Bytes of the consolidated packs on its shelves.
    pub consolidated_bytes: u64,
    /// When the oldest unconsolidated pack on its shelves was stored.
    pub oldest_unconsolidated: Option<Timestamp>,
}

/// Jobs and policies.
#[async_trait]
pub trait Jobs: Send + Sync + std::fmt::Debug {
    /// Queues a job. If one of the same type waits already (of consolidations and of mirrors of a
    /// repo, and of deletions, at most one does), it becomes the [wider](Operation::wider) of the
    /// two and is returned; where neither covers the other, it stays as it is. A caller that stores
    /// packs for the job holds [`super::LockMode::Publishing`] until then.
    async fn add_job(&self, job: &NewJob) -> Result<JobReport>;

    /// Jobs, newest first.
    async fn jobs(&self, query: JobQuery) -> Result<Vec<JobReport>>;

    /// A job by its number.
    async fn job(&self, id: i64) -> Result<Option<JobReport>>;

    /// The healed jobs among some: those that failed with the code of damage, of repos that have no
    /// known damage now; of jobs of the whole store, while no repo has any. A push is never healed: its
    /// commits are still missing. A mirror is, if there is a later one of its repo, or an earlier one
    /// waits or runs.
    async fn healed_jobs(&self, among: RangeInclusive<i64>) -> Result<BTreeSet<i64>>;

    /// How many jobs are healed, by type. Types without one are left out.
    async fn healed_counts(&self) -> Result<Vec<(String, u64)>>;

    /// How many jobs there are, by type and status.
    async fn job_counts(&self) -> Result<Vec<(String, JobStatus, u64)>>;

    /// Assigns to a worker the job that has been due for longest: a queued one, or one whose lease
    /// has expired.
    async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>>;

    /// Renews a lease. False if another worker has the job, or it was cancelled.
    async fn renew_lease(&self, fence: Fence, lease_until: Timestamp) -> Result<bool>;

    /// Finishes an attempt. None if another worker has the job, or it was cancelled.
    async fn end_job(
        &self,
        fence: Fence,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<Option<JobReport>>;

    /// Retries a failed or cancelled job. If one of the same type waits already, that one does this
    /// as well and is returned, as by [`Self::add_job`]. None if there is no such job.
    async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>>;

    /// Cancels a queued or running job: it publishes nothing more. None if there is no such job.
    async fn cancel_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>>;

    /// For each key, whether an unfinished job needs that pack.
    async fn waiting_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// The policies that are set, by the catalog's number of the repo; 0 is the default policy.
    async fn policies(&self) -> Result<Vec<(i64, Policy)>>;

    /// Sets a policy, or resets it if there is none. 0 is the default policy, for repos without
    /// their own.
    async fn set_policy(&self, repo: i64, policy: Option<&Policy>) -> Result<()>;

    /// The numbers for policies, of repos with more than one pack to which the index maps
    /// something; of one repo or of all, by number.
    async fn pressures(&self, repo: Option<i64>) -> Result<Vec<Pressure>>;

    /// The repos to which something was published since a change, by name; with the number of the
    /// newest change. Numbers grow; of two that are made at once, the greater may be visible first.
    async fn changed_repos(&self, since: i64) -> Result<ChangedRepos>;
}
