//! The reports of the verbs. Serialised, these are the JSON of the contract: counts are numbers,
//! sizes bytes, ids and keys strings, times RFC 3339 UTC.

mod api;
mod backup;
mod damage;
mod job;
mod overview;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Error;
use crate::names::{MpackKey, RepoId, RepoName, Visibility};

pub use api::{
    Changes, FetchBody, HistoryPage, JobPage, NewRepo, PolicyRequest, RepoDetail, RepoPage,
    RunEvent, RunFailed, RunReport, RunState, StatusReport, Step, SweptReport,
};
pub use backup::{BackupProblem, BackupReport};
pub use damage::{Damage, KeptPack, Repaired};
pub use job::{JobEnded, JobReport, JobStatus, Policy, PolicyCheck, PolicyReport, Queued};
pub use overview::{Cause, GcEntry, GcQuery, Moment, PackReport, RepoSummary};

/// `repo show`, and a line of `repo list`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepoReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Its public id.
    pub repo_id: RepoId,
    /// Who may read it.
    pub visibility: Visibility,
    /// The first branch ever pushed; `main` before that.
    pub default_branch: String,
    /// Packs that the index maps at least one entity to.
    pub packs: u64,
    /// Their keys, by key.
    pub pack_keys: Vec<MpackKey>,
    /// Distinct objects.
    pub objects: u64,
    /// Distinct commits.
    pub commits: u64,
    /// Distinct snapshots.
    pub snapshots: u64,
    /// Distinct tags.
    pub tags: u64,
    /// Size of `packs`, in bytes.
    pub bytes: u64,
    /// Size with packs that only wait for deletion, in bytes.
    pub stored_bytes: u64,
    /// Branch name to commit id.
    pub branch_heads: BTreeMap<String, String>,
    /// The last consolidation, if there was one.
    pub last_gc: Option<GcRecord>,
    /// Known damage: first what concerns all of the repo, then by key. Empty: none is known.
    #[serde(default)]
    pub damaged: Vec<Damage>,
    /// When the repo was created.
    pub created_at: Timestamp,
}

/// `repo delete`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeleteReport {
    /// `OWNER/SLUG`. The name is free again; while it is, `repo restore` restores the repo.
    pub repo: RepoName,
    /// Its public id.
    pub repo_id: RepoId,
    /// Always true.
    pub deleted: bool,
    /// Packs that only wait for deletion now.
    pub packs_waiting: u64,
    /// Their size in bytes.
    pub bytes_waiting: u64,
    /// Cancelled jobs.
    pub jobs_cancelled: u64,
}

/// A deleted repo that can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedRepo {
    /// Its public id.
    pub repo_id: RepoId,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Packs that the index maps at least one of its entities to.
    pub packs: u64,
}

/// A finished consolidation, as recorded in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcRecord {
    /// When it ended.
    pub finished_at: Timestamp,
    /// `consolidated`, `skipped` or `failed`.
    pub outcome: String,
    /// Packs before.
    pub packs_before: u64,
    /// Packs after.
    pub packs_after: u64,
    /// The one pack, if there is one.
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
        }
    }
}

/// Whether a pushed file was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PushStatus {
    /// It is a pack of the repo now.
    Stored,
    /// The repo had these very bytes.
    Unchanged,
    /// It is stored, and a job will make it a pack of the repo.
    Queued,
}

/// One branch of a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BranchReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Its name, exactly.
    pub name: String,
    /// Its head commit.
    pub head: String,
    /// Whether it is the default branch.
    pub default: bool,
    /// Why clients are not given it, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A branch that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BranchDeleteReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Its name, exactly.
    pub name: String,
    /// The commit that it stood at.
    pub head: String,
    /// Always true.
    pub deleted: bool,
    /// The default branch from now on.
    pub default_branch: String,
}

/// One file of a `push`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PushReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// The file, as it was given.
    pub file: String,
    /// The pack's key.
    pub mpack_key: MpackKey,
    /// Whether it was new.
    pub status: PushStatus,
    /// Distinct objects in the file.
    pub objects: u64,
    /// Distinct commits in the file.
    pub commits: u64,
    /// Distinct snapshots in the file.
    pub snapshots: u64,
    /// Distinct tags in the file.
    pub tags: u64,
    /// Objects that the repo did not have before the push; each counted for one of its files.
    pub new_objects: u64,
    /// Tags that the repo did not have before the push; each counted for one of its files.
    pub new_tags: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// The repo's branch heads after the push.
    pub branch_heads: BTreeMap<String, String>,
    /// The job that will index it, if one will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
    /// Digest of the component that read it.
    pub component: String,
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
    /// The one pack. Null for an empty repo, and for a plan that would consolidate.
    pub consolidated_key: Option<MpackKey>,
    /// Whether there was nothing to do.
    pub skipped: bool,
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
    /// Records of the packs before that the new one need not repeat.
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
    /// What was proven before publishing; present exactly when a consolidation was published.
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
            objects: self.objects,
            commits: self.commits,
            snapshots: self.snapshots,
            tags: self.tags,
            bytes_before: self.bytes_before,
            bytes_after: self.bytes_after,
            duplicates_dropped: self.duplicates_dropped,
            elapsed_ms: self.elapsed_ms,
            component: self.component,
            rows_changed: self.rows_changed,
            phase,
            dropped: self.dropped,
        }
    }
}

/// Entities that no branch, tag or release had reached for the age that was given.
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

/// What the host itself proved before it published a consolidation (law 4): counted while it was
/// proven, never derived.
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

/// What doing as a plan says would cost.
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

/// `fetch`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FetchReport {
    /// The pack.
    pub mpack_key: MpackKey,
    /// Its URL.
    pub mpack_url: String,
    /// Objects in it.
    pub object_count: u64,
    /// Commits in it.
    pub commit_count: u64,
    /// Snapshots in it.
    pub snapshot_count: u64,
    /// Tags in it.
    pub tag_count: u64,
    /// Ids that are reached and that the repo never had.
    pub missing: u64,
    /// Size of the pack in bytes.
    pub bytes: u64,
    /// When the URL expires.
    pub expires_at: Timestamp,
    /// Whether it is a stored pack, unchanged.
    pub reused: bool,
    /// Digest of the component that planned it.
    pub component: String,
}

/// `verify` of one repo.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Packs read.
    pub packs_checked: u64,
    /// Objects whose content was hashed; one in two packs counts twice.
    pub objects_checked: u64,
    /// Bytes read.
    pub bytes_checked: u64,
    /// Whether there are no problems.
    pub ok: bool,
    /// Problems; after a repair, the remaining ones.
    pub problems: Vec<Problem>,
    /// What was repaired: with `--repair`, and directories that were rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Vec<Repaired>>,
}

/// `prune`. In a dry run, `deleted` is what would be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PruneReport {
    /// Deleted packs: replaced by a consolidation longer than the grace ago.
    pub packs_deleted: u64,
    /// Their size in bytes.
    pub bytes_deleted: u64,
    /// Packs that were replaced later than that.
    pub packs_waiting: u64,
    /// Their size in bytes.
    pub bytes_waiting: u64,
    /// When the first of them is due.
    pub next_due: Option<Timestamp>,
    /// Expired answers to fetches that were deleted.
    pub answers_deleted: u64,
    /// Packs in storage that no repo knows.
    pub orphans: u64,
    /// Their size in bytes.
    pub orphan_bytes: u64,
    /// Orphans older than a day that were deleted.
    pub orphans_deleted: u64,
    /// Packs that were due but kept, because they may be the last good copy of something: replaced
    /// packs, expired answers, orphans.
    #[serde(default)]
    pub packs_kept: u64,
    /// The kept packs, once for each repo that may need one, with the reason.
    #[serde(default)]
    pub kept: Vec<KeptPack>,
    /// Present for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

impl PruneReport {
    /// Whether something was deleted.
    pub const fn has_deleted(&self) -> bool {
        self.dry_run.is_none()
            && self.packs_deleted + self.answers_deleted + self.orphans_deleted > 0
    }

    /// What was deleted, as part of a sentence.
    pub fn deleted(&self) -> String {
        let count = |count: u64, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{count} {what}s")),
        };
        let packs = count(self.packs_deleted, "pack")
            .map(|packs| format!("{packs} ({} bytes)", self.bytes_deleted));
        [
            packs,
            count(self.answers_deleted, "expired fetch result"),
            count(self.orphans_deleted, "orphan"),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// A problem of a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of damage: see [`ProblemKind`].
    pub kind: ProblemKind,
    /// The affected entity, as `KIND ID`.
    pub entity: Option<String>,
    /// The affected pack.
    pub pack: Option<MpackKey>,
    /// What was found, where, and the way out.
    pub detail: String,
}

/// Kinds of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A pack's file is missing.
    MissingPack,
    /// A pack's bytes don't match its key.
    DamagedPack,
    /// The index maps an entity to a pack that does not have it.
    LostEntity,
    /// A pack has an entity that is not in the index.
    UnindexedEntity,
    /// A pack's directory does not match the pack, and could not be rebuilt.
    DamagedDirectory,
    /// Counts or edges of the catalog don't match the records.
    DamagedCatalog,
    /// A branch has a name that clients can't keep: it was stored before names had a grammar.
    BadBranchName,
}
