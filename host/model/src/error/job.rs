//! What can go wrong with jobs.

use crate::names::MpackKey;
use crate::report::job_status::JobStatus;
use crate::text::span;

/// Why a job is not queued, retried, cancelled or done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// A job of the same type is queued, and neither does what both would.
    #[error(
        "job {0} of the same type with other options is already queued (`packhouse jobs show {0}`); nothing was queued. Wait for it, or cancel it: packhouse jobs cancel {0}"
    )]
    AlreadyQueued(i64),

    /// Only a failed or cancelled job can be retried.
    #[error("job {job} is {status}; only a failed or cancelled job can be retried")]
    NotEnded {
        /// The job.
        job: i64,
        /// Its status.
        status: JobStatus,
    },

    /// It can't be retried without its repo.
    #[error("job {0} can't be retried: its repo was deleted. Restore the repo first")]
    NoRepo(i64),

    /// It can't be retried without its packs.
    #[error(
        "job {job} can't be retried: pack {pack} is not in storage any more. Push {file} again"
    )]
    NoPack {
        /// The job.
        job: i64,
        /// A missing pack.
        pack: MpackKey,
        /// The file that was pushed, as it was named.
        file: String,
    },

    /// A job that has ended can't be cancelled.
    #[error("job {job} is already {status}; there is nothing to cancel")]
    Ended {
        /// The job.
        job: i64,
        /// Its status.
        status: JobStatus,
    },

    /// An attempt found that the job's repo was deleted.
    #[error("its repo was deleted in the meantime; there is nothing left to do")]
    RepoDeleted,

    /// An attempt took longer than jobs may.
    #[error("it did not end within {}, the time limit of its worker (--job-timeout)", span(*.seconds))]
    TimedOut {
        /// The time limit in seconds.
        seconds: u64,
    },

    /// No worker could finish it.
    #[error(
        "the last {attempts} workers that took it died or lost their lease; check their logs and their memory"
    )]
    WorkersDied {
        /// How many workers took it.
        attempts: u32,
    },
}
