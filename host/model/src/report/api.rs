//! Requests and responses of the admin API, in addition to the reports of the verbs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{GcEntry, GcRecord, JobReport, Moment, PackReport, RepoReport, RepoSummary};
use crate::names::{RepoName, Visibility};

/// Which store a server serves, and its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusReport {
    /// Version of packhouse.
    pub version: String,
    /// Digest of the component that plans.
    pub component: String,
    /// Where the catalog is. For administrators of the whole store.
    pub catalog: Option<String>,
    /// Where the packs are. For administrators of the whole store.
    pub vault: Option<String>,
    /// Free bytes on the local disk.
    pub free_bytes: u64,
    /// What the server found in staging at its start, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept: Option<SweptReport>,
}

/// Leftover files in staging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweptReport {
    /// Abandoned files that were removed.
    pub removed: u64,
    /// Files that are still in use.
    pub in_use: u64,
}

/// A page of repos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepoPage<T> {
    /// The repos.
    pub repos: Vec<T>,
    /// What to give as `after` for the next page, sorted by name; as `offset`, sorted by anything
    /// else. None: there are no more.
    pub next: Option<String>,
}

/// A repo to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRepo {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Who may read it.
    #[serde(default = "public")]
    pub visibility: Visibility,
}

const fn public() -> Visibility {
    Visibility::Public
}

/// One repo in detail.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepoDetail {
    /// The repo.
    pub report: RepoReport,
    /// Its line in the list.
    pub summary: RepoSummary,
    /// Its packs: those on shelves first, then those that only wait for deletion.
    pub packs: Vec<PackReport>,
    /// Its timeline, oldest first.
    pub timeline: Vec<Moment>,
    /// Its consolidations, newest first.
    pub history: Vec<GcRecord>,
}

/// What to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchBody {
    /// Commit ids; empty: every branch head.
    #[serde(default)]
    pub want: Vec<String>,
    /// Commit ids that the client has; unknown ones are ignored.
    #[serde(default)]
    pub have: Vec<String>,
    /// How long the URL is valid, in seconds: a week at most.
    #[serde(default = "an_hour")]
    #[schema(minimum = 1, maximum = 604800)]
    pub ttl_seconds: u64,
}

const fn an_hour() -> u64 {
    3600
}

/// Consolidations that ended, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// The consolidations.
    pub entries: Vec<GcEntry>,
    /// What to give as `before` for the next page. None: there are no more.
    pub next: Option<i64>,
}

/// Jobs, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobReport>,
    /// What to give as `before` for the next page. None: there are no more.
    pub next: Option<i64>,
}

/// A number that changes when anything in the store may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// The number. Those of two starts of a server don't compare, and differ.
    pub stamp: u64,
}

/// Which policies to check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// One repo; none: all with more than one pack.
    #[serde(default)]
    pub repo: Option<RepoName>,
    /// Whether to queue the consolidations that are due.
    #[serde(default)]
    pub queue: bool,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It runs, or waits for a free slot.
    Running,
    /// It succeeded.
    Done,
    /// It failed, and changed nothing.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunReport {
    /// The id that its client chose: 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub id: String,
    /// The kind of work: plan, gc, verify or prune.
    pub kind: String,
    /// Its repo; none: the whole store.
    pub repo: Option<RepoName>,
    /// Its state.
    pub state: RunState,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The number of its last event.
    pub seq: u64,
    /// The report: a GcReport, a VerifyReport or a PruneReport.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Box<RawValue>>,
    /// Why it failed.
    pub problem: Option<RunFailed>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFailed {
    /// How it ended: failed, or cancelled.
    pub state: RunState,
    /// What went wrong, where, and what to do.
    pub detail: String,
    /// What it means: `usage`, `refused`, `conflict` (safe to try again) or `damage`.
    pub class: String,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// `OWNER/SLUG`, or another name.
    pub repo: String,
    /// The current phase; `queued`: it waits for a free slot.
    pub phase: String,
    /// Bytes done in this phase.
    pub done: u64,
    /// Total bytes of this phase; 0 if unknown or not counted.
    pub total: u64,
}

/// An event of a run: its data. The name of the event is its type.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RunEvent {
    /// `progress`.
    Progress(Step),
    /// `done`: with the report.
    Done {
        /// A GcReport, a VerifyReport or a PruneReport.
        #[schema(value_type = Object)]
        report: Box<RawValue>,
    },
    /// `failed`.
    Failed {
        /// Why.
        problem: RunFailed,
    },
}
