//! Jobs and policies, as they are reported and stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GcReport, JobStatus};
use crate::names::RepoName;
use crate::operation::{GcOptions, Operation};

/// How many jobs of a type have a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobCount {
    /// The type, as in `jobs list`.
    pub r#type: String,
    /// The status.
    pub status: JobStatus,
    /// How many there are.
    pub count: u64,
    /// How many of them failed because of damage that is repaired since.
    pub healed: u64,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobReport {
    /// Its id.
    pub id: i64,
    /// Its repo; none: the whole store.
    pub repo: Option<RepoName>,
    /// What it does: `type` and `payload`.
    #[serde(flatten)]
    pub operation: Operation,
    /// Its status.
    pub status: JobStatus,
    /// How often it was started.
    pub attempt: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// Not started before that.
    pub run_at: Timestamp,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The worker that has it, or had it last.
    pub worker: Option<String>,
    /// When the lease of its worker expires; none when no worker has it.
    pub lease_until: Option<Timestamp>,
    /// Why it failed, or why it waits for another attempt, and what to do.
    pub reason: Option<String>,
    /// The code of the error with which the last attempt failed, or of what its report found:
    /// `damage`, `problems`, `refused`, `conflict`, …. None where it did not fail, and for failures that
    /// an older version recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The report, if there is one.
    pub result: Option<serde_json::Value>,
    /// Whether it failed because of damage that was repaired since, so that nothing is left to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub healed: bool,
    /// The [trace context](https://www.w3.org/TR/trace-context/) of what queued it, if that is traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl JobReport {
    /// Its status, and that of a failure which needs no attention any more: `failed (damage healed
    /// since)`.
    pub fn status_text(&self) -> &'static str {
        if self.healed { "failed (damage healed since)" } else { self.status.as_str() }
    }
}

/// When repos are consolidated automatically. A rule that is not set is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Consolidate with more packs than that.
    #[schema(minimum = 1)]
    pub max_packs: Option<u64>,
    /// Consolidate when the bytes pushed since exceed so many times those of the consolidated pack.
    /// Over a repo's life that writes about 1 + 1/growth bytes for each pushed one.
    #[schema(exclusive_minimum = 0)]
    pub growth: Option<f64>,
    /// Consolidate when a pack has waited for so many seconds.
    pub max_age_seconds: Option<u64>,
    /// Read and check every pack of the store within so many seconds; 0: never; none: within 30
    /// days. Packs may be of several repos: only the policy of all repos has it.
    #[serde(default)]
    pub scrub_age_seconds: Option<u64>,
}

impl Policy {
    /// Nothing is consolidated automatically.
    pub const OFF: Policy =
        Policy { max_packs: None, growth: None, max_age_seconds: None, scrub_age_seconds: None };
    /// Within this time every pack is read and checked, unless a policy says otherwise: 30 days.
    pub const SCRUB_AGE_SECONDS: u64 = 30 * 24 * 3600;

    /// Within how many seconds every pack is read and checked; none: never.
    pub fn scrub_age(&self) -> Option<u64> {
        Some(self.scrub_age_seconds.unwrap_or(Policy::SCRUB_AGE_SECONDS)).filter(|age| *age > 0)
    }
}

impl Default for Policy {
    /// At fifty packs, and when as much was pushed as was consolidated: each byte is written about
    /// twice.
    fn default() -> Self {
        Policy { max_packs: Some(50), growth: Some(1.0), ..Policy::OFF }
    }
}

/// A policy and its repo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyReport {
    /// The repo; none: the default policy.
    pub repo: Option<RepoName>,
    /// Whether it was set; else it is the default.
    pub set: bool,
    /// The policy.
    #[serde(flatten)]
    pub policy: Policy,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// Of one repo; none for all.
    pub repo: Option<RepoName>,
    /// With one status; none for all.
    pub status: Option<JobStatus>,
    /// Before the one with this id; none to start with the newest.
    pub before: Option<i64>,
    /// The maximum number.
    pub limit: u32,
}

/// A repo checked against its policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyCheck {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Packs that the index maps at least one entity to.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Bytes of packs from consolidations.
    pub consolidated_bytes: u64,
    /// When the oldest unconsolidated pack was stored.
    pub oldest_unconsolidated: Option<Timestamp>,
    /// The policy that applies to it.
    #[serde(default)]
    pub policy: Policy,
    /// Whether that is a policy of its own; otherwise it is the default policy.
    #[serde(default)]
    pub own_policy: bool,
    /// Whether the repo is due.
    pub due: bool,
    /// Why it is due; empty when it is not.
    pub reasons: Vec<String>,
    /// The consolidation that is due: a geometric one if the repo is not due after that, else a full
    /// one. None when it is not due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc: Option<GcOptions>,
    /// The job that was queued, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
}

/// `gc --async` and `prune --async`: the queued job, or the one that waits already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queued {
    /// `OWNER/SLUG`; none: the whole store.
    pub repo: Option<RepoName>,
    /// The job's id.
    pub job: i64,
    /// Its status.
    pub status: JobStatus,
}

/// A finished attempt at a job, with its measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobEnded {
    /// The job now.
    #[serde(flatten)]
    pub job: JobReport,
    /// The result of this attempt: `done`, `retry`, `failed`, `released` (its worker was stopped)
    /// or `lost` (another worker has the job, or it was cancelled).
    pub outcome: &'static str,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Digest of the component.
    pub component: String,
    /// For a consolidation: packs before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packs_before: Option<u64>,
    /// Packs after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packs_after: Option<u64>,
    /// Size of the packs before, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_before: Option<u64>,
    /// Size of the packs after, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_after: Option<u64>,
}

impl JobEnded {
    /// A job after an attempt, with what a consolidation measured.
    pub fn new(
        job: JobReport,
        elapsed_ms: u64,
        outcome: &'static str,
        component: String,
        gc: Option<&GcReport>,
    ) -> JobEnded {
        JobEnded {
            job,
            outcome,
            elapsed_ms,
            component,
            packs_before: gc.map(|gc| gc.packs_before),
            packs_after: gc.map(|gc| gc.packs_after),
            bytes_before: gc.map(|gc| gc.bytes_before),
            bytes_after: gc.map(|gc| gc.bytes_after),
        }
    }
}
