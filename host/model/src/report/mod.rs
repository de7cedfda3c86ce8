//! The reports of the verbs. Serialised, these are the JSON of the contract: counts are numbers,
//! sizes bytes, ids and keys strings, times RFC 3339 UTC.

mod api;
mod backup;
mod comparison;
mod contents;
mod copy;
mod damage;
mod health;
mod import;
mod job;
pub(crate) mod job_status;
mod judged_packs;
pub(crate) mod newer;
mod of_operation;
mod overview;
pub(crate) mod prune;
mod push;
pub(crate) mod repo;
mod scrub;
mod server;
mod verify;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Error;
use crate::names::{MpackKey, RepoName};

pub use api::{
    Changes, FetchBody, HistoryPage, JobPage, NewRepo, PolicyRequest, RepoDetail, RepoPage,
    RunEvent, RunFailed, RunReport, RunState, StatusReport, Step, SweptReport,
};
pub use backup::{BackupProblem, BackupReport};
pub use comparison::{
    ComparedRecord, ComparedSum, ComparedTotals, PackComparison, PackComparisonQuery, RecordClass,
    RecordPlace,
};
pub use contents::{
    CommittedFile, FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, LoggedCommit, PackRecord,
    PackRecordsPage, PackRecordsQuery, RecordReport,
};
pub use copy::{CopyReport, CopyStatus};
pub use damage::{Damage, KeptPack, Repaired};
pub use health::{DiskSpace, Health, PackTotals};
pub use import::{ImportProblem, ImportReport};
pub use job::{
    JobCount, JobEnded, JobReport, JobsQuery, Policy, PolicyCheck, PolicyReport, Queued,
};
pub use job_status::JobStatus;
pub use judged_packs::JudgedPacks;
pub use newer::{NEWER_WAY_OUT, NewerPacks};
pub use of_operation::{FoundProblem, Report};
pub use overview::{Cause, GcEntry, GcQuery, Moment, PackReport, RepoSummary};
pub use prune::{PackFate, PruneReport, ReplacedPack};
pub use push::{FetchReport, PushReport, PushStatus};
pub use repo::{BranchDeleteReport, BranchReport, DeleteReport, DeletedRepo, RepoReport};
pub use scrub::{ScrubReport, ScrubState};
pub use server::ServerReport;
pub use verify::{Problem, ProblemKind, VerifyReport};

/// A finished consolidation, as recorded in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcRecord {
    /// When it ended.
    pub finished_at: Timestamp,
    /// `consolidated`, `skipped` (nothing was done) or `failed`.
    pub outcome: String,
    /// Packs before.
    pub packs_before: u64,
    /// Packs after.
    pub packs_after: u64,
    /// The new pack; if nothing was done, the pack of a repo with one.
    pub consolidated_key: Option<String>,
    /// Size of the packs before, in bytes.
    pub bytes_before: u64,
    /// Size of the packs after, in bytes.
    pub bytes_after: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Digest of the component that planned it.
    pub component: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What kind of error it was: [`Error::code`]. None: it did not fail, or an older packhouse
    /// recorded it.
    #[serde(default)]
    pub error_code: Option<String>,
}

impl GcRecord {
    /// One that succeeded, also with nothing to do.
    pub fn done(report: &GcReport, finished_at: Timestamp) -> GcRecord {
        GcRecord {
            finished_at,
            outcome: if report.skipped { "skipped" } else { "consolidated" }.into(),
            packs_before: report.packs_before,
            packs_after: report.packs_after,
            consolidated_key: report.consolidated_key.map(|key| key.to_string()),
            bytes_before: report.bytes_before,
            bytes_after: report.bytes_after,
            elapsed_ms: report.elapsed_ms,
            component: report.component.clone(),
            error: None,
            error_code: None,
        }
    }

    /// One that failed after `elapsed_ms` milliseconds, and changed nothing.
    pub fn failed(
        error: &Error,
        elapsed_ms: u64,
        component: &str,
        finished_at: Timestamp,
    ) -> GcRecord {
        GcRecord {
            finished_at,
            outcome: "failed".into(),
            packs_before: 0,
            packs_after: 0,
            consolidated_key: None,
            bytes_before: 0,
            bytes_after: 0,
            elapsed_ms,
            component: component.to_owned(),
            error: Some(error.to_string()),
            error_code: Some(error.code().to_owned()),
        }
    }

    /// Whether it failed, even if the cause has been removed since.
    pub fn has_failed(&self) -> bool {
        self.outcome == "failed"
    }

    /// Whether it failed, and the reason may stand, in a repo that has known damage or not: what
    /// failed because of damage no longer counts when the damage is repaired.
    pub(crate) fn still_fails(&self, is_damaged: bool) -> bool {
        let was_damage = self.error_code.as_deref() == Some(Error::DAMAGE_CODE);
        self.has_failed() && (is_damaged || !was_damage)
    }
}

/// `gc` of one repo: what is the same for a plan and for its result; `phase` has the rest. The
/// catalog keeps reports: what is added later is optional.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcReport<P = GcDone> {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Packs before.
    pub packs_before: u64,
    /// Packs after.
    pub packs_after: u64,
    /// The new pack. Null for a plan that would consolidate. If nothing was done: the pack of a repo
    /// with one, else null.
    pub consolidated_key: Option<MpackKey>,
    /// Whether nothing was done: there was nothing to do, or the budget did not allow it.
    pub skipped: bool,
    /// Whether less was done than without a budget, or nothing.
    #[serde(default)]
    pub budget_reached: bool,
    /// The factor of a geometric consolidation; missing for one of all packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geometric: Option<u32>,
    /// Distinct objects.
    pub objects: u64,
    /// Distinct commits.
    pub commits: u64,
    /// Distinct snapshots.
    pub snapshots: u64,
    /// Distinct tags.
    pub tags: u64,
    /// Size of the packs before, in bytes.
    pub bytes_before: u64,
    /// Size of the packs after, in bytes.
    pub bytes_after: u64,
    /// Size of the new pack, in bytes; 0 if nothing is written.
    #[serde(default)]
    pub bytes_written: u64,
    /// Records of the consolidated packs that the new one need not repeat.
    pub duplicates_dropped: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Digest of the component that planned it.
    pub component: String,
    /// Rows of the catalog that publishing inserted or changed: as many as there are packs and
    /// shelves, however many objects there are. 0 for a plan.
    pub rows_changed: u64,
    /// What only a plan has, or only a result.
    #[serde(flatten)]
    pub phase: P,
    /// What was dropped as unreachable, with `--expire-unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<GcDropped>,
}

/// `gc --dry-run` of one repo.
pub type GcPlanReport = GcReport<GcPlanned>;

/// What only the report of a plan has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcPlanned {
    /// Always true.
    pub dry_run: bool,
    /// The digest of the plan, if it would consolidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// What it would cost, if it would consolidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<GcCost>,
}

/// What only the report of a consolidation has that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcDone {
    /// The digest of the plan that was applied. Only the catalog keeps it; answers leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// What was verified before publishing; present exactly if a consolidation was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<GcProof>,
}

impl<P> GcReport<P> {
    /// The same report in another phase.
    pub fn with_phase<Q>(self, phase: Q) -> GcReport<Q> {
        GcReport {
            repo: self.repo,
            packs_before: self.packs_before,
            packs_after: self.packs_after,
            consolidated_key: self.consolidated_key,
            skipped: self.skipped,
            budget_reached: self.budget_reached,
            geometric: self.geometric,
            objects: self.objects,
            commits: self.commits,
            snapshots: self.snapshots,
            tags: self.tags,
            bytes_before: self.bytes_before,
            bytes_after: self.bytes_after,
            bytes_written: self.bytes_written,
            duplicates_dropped: self.duplicates_dropped,
            elapsed_ms: self.elapsed_ms,
            component: self.component,
            rows_changed: self.rows_changed,
            phase,
            dropped: self.dropped,
        }
    }
}

/// Entities that no branch, tag or release had reached for the given age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcDropped {
    /// Commits.
    pub commits: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Objects.
    pub objects: u64,
    /// Size of their records, in bytes.
    pub bytes: u64,
    /// All of them, as `KIND ID`, in order. What the catalog remembers of a run lists commits only.
    pub entities: Vec<String>,
}

/// What the host itself verified before it published a consolidation (law 4): counted during the
/// verification, never derived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcProof {
    /// Entities of the index that were found in the new pack, in the encoding that the index maps.
    pub entities: u64,
    /// Records of the new pack that were read back and compared with those that the plan copies.
    pub records: u64,
    /// Objects of the new pack whose content was hashed and matches their id.
    pub objects_hashed: u64,
    /// Bytes of the new pack that were read back, to its last: as many as were hashed to its key.
    pub bytes_read_back: u64,
    /// Packs before with records that the new one need not repeat, each hashed whole to its key.
    pub sources_hashed: u64,
}

/// The cost of executing a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcCost {
    /// Bytes to read: the records that are copied, the packs that are hashed whole, and the new
    /// pack once more.
    pub bytes_to_read: u64,
    /// Bytes of the source packs to download first: what is not in the local cache. 0 when packs
    /// are files.
    #[serde(default)]
    pub bytes_to_download: u64,
    /// Size of the new pack in bytes.
    pub bytes_to_write: u64,
    /// Bytes of local disk that it takes: the new pack and its directory, until what it replaces is
    /// deleted; and what is downloaded.
    pub peak_disk: u64,
    /// How long it may take, in milliseconds, at the pace of this store's last consolidations. None
    /// before the first.
    pub expected_ms: Option<u64>,
}
