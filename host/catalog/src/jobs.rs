//! The part of the catalog port for jobs, and for the policies that queue them.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A due job is given to one worker at a time. The worker gets a fence that is greater than all
//!   before; with an older one, nothing can be published, renewed or ended.
//! - Of one repo, one consolidation runs at a time and one waits; of the store, one deletion waits.
//!   A second one that would wait, also for another attempt, is not added.
//! - Pushes of one repo are indexed in the order of their jobs, because a head follows from the one
//!   before it. A push that waits, also for another attempt, blocks those behind it.
//! - The packs of a job that has not ended are known, and never forgotten.
//! - Due times and leases have millisecond precision. Job ids ascend in the order of creation,
//!   perhaps with gaps.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::report::{JobReport, JobStatus, Policy, Task};

use super::Fence;

/// A job to be done.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The catalog's number of the repo that it is about; none: the whole store.
    pub repo: Option<i64>,
    /// What it does.
    pub task: Task,
    /// When it was queued.
    pub now: Timestamp,
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
    /// At most so many.
    pub limit: u32,
}

/// How a worker's attempt ended.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// It did what it should; with what the verb answered.
    Done(serde_json::Value),
    /// It will be tried again. Where one of its kind waits that is enough, it is cancelled instead,
    /// and its reason says which.
    Again {
        /// Not before.
        at: Timestamp,
        /// Why.
        reason: String,
        /// Whether this attempt counts: one that was asked to stop does not.
        counts: bool,
    },
    /// It is given up.
    Failed(String),
}

/// What speaks for consolidating a repo.
#[derive(Clone, Debug, PartialEq)]
pub struct Pressure {
    /// The catalog's number of the repo.
    pub repo: i64,
    /// Bytes of packs on its shelves that a consolidation has made.
    pub consolidated_bytes: u64,
    /// When the oldest pack on its shelves was stored that none has made.
    pub oldest_unconsolidated: Option<Timestamp>,
}

/// Jobs and policies.
#[async_trait]
pub trait Jobs: Send + Sync + std::fmt::Debug {
    /// Adds a job, or returns the one that waits already, where one is enough. A caller that stores
    /// packs for it holds [`super::LockMode::Publishing`] until then.
    async fn add_job(&self, job: &NewJob) -> Result<JobReport>;

    /// Jobs, newest first.
    async fn jobs(&self, query: JobQuery) -> Result<Vec<JobReport>>;

    /// A job by its number.
    async fn job(&self, id: i64) -> Result<Option<JobReport>>;

    /// How many jobs there are, by type and status.
    async fn job_counts(&self) -> Result<Vec<(String, JobStatus, u64)>>;

    /// Gives a worker the job that has been due for longest: a waiting one, or one whose lease has
    /// expired.
    async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>>;

    /// Renews a lease. False when another worker has the job, or it was cancelled.
    async fn renew_lease(&self, fence: Fence, lease_until: Timestamp) -> Result<bool>;

    /// Ends an attempt. None when another worker has the job, or it was cancelled.
    async fn end_job(
        &self,
        fence: Fence,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<Option<JobReport>>;

    /// Retries a failed or cancelled job, or returns the one that waits already, where one is
    /// enough. None when there is no such job.
    async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>>;

    /// Cancels a job that waits or runs: it publishes nothing more. None when there is no such job.
    async fn cancel_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>>;

    /// Whether jobs that have not ended wait with any of these packs.
    async fn waiting_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// The policies that were set: by the catalog's number of the repo, 0 for all others.
    async fn policies(&self) -> Result<Vec<(i64, Policy)>>;

    /// Sets a policy, or with none takes it back. 0: for all that have none of their own.
    async fn set_policy(&self, repo: i64, policy: Option<&Policy>) -> Result<()>;

    /// What speaks for consolidating repos with more than one pack that the index maps something
    /// to; of one repo or of all, by number.
    async fn pressures(&self, repo: Option<i64>) -> Result<Vec<Pressure>>;
}
