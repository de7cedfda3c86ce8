//! The reports of `repo` and `branch`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Damage, GcRecord};
use crate::names::{MpackKey, RepoId, RepoName, Visibility};

/// `repo show`, and a line of `repo list`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepoReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Its public id.
    pub repo_id: RepoId,
    /// Who may read it.
    pub visibility: Visibility,
    /// Whether clients may push a history with holes: what they leave out counts as missing.
    #[serde(default)]
    pub accepts_shallow: bool,
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
    /// When the pack that was read longest ago was last read and found intact, or stored. None: the
    /// repo has no packs.
    #[serde(default)]
    pub oldest_check: Option<Timestamp>,
    /// When the repo was created.
    pub created_at: Timestamp,
}

impl RepoReport {
    /// Whether its last consolidation failed for a reason that may stand, as in
    /// [`RepoSummary::gc_failed`](super::RepoSummary::gc_failed).
    pub fn gc_failed(&self) -> bool {
        self.last_gc.as_ref().is_some_and(|last| last.still_fails(!self.damaged.is_empty()))
    }
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
