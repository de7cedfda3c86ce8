//! The status of a job.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The status of a job.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// It waits for a worker, or for its next attempt.
    Queued,
    /// A worker has it.
    Running,
    /// It succeeded.
    Done,
    /// It failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [JobStatus; 5] = [
        JobStatus::Queued,
        JobStatus::Running,
        JobStatus::Done,
        JobStatus::Failed,
        JobStatus::Cancelled,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobStatus::Queued => "queued",
            JobStatus::Running => "running",
            JobStatus::Done => "done",
            JobStatus::Failed => "failed",
            JobStatus::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = JobStatus::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| {
            format!("expected one of {}", JobStatus::ALL.map(JobStatus::as_str).join(", "))
        })
    }
}
