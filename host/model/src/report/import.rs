//! The report of `import`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::RepoName;

/// A repo that was imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportReport {
    /// `OWNER/SLUG`, here.
    pub repo: RepoName,
    /// Where it comes from, without secrets.
    pub source: String,
    /// Packs that were stored.
    pub packs: u64,
    /// Commits in them.
    pub commits: u64,
    /// Snapshots in them.
    pub snapshots: u64,
    /// Objects in them.
    pub objects: u64,
    /// Tags in them.
    pub tags: u64,
    /// Size of the packs in bytes.
    pub bytes: u64,
    /// The repo's branch heads afterwards.
    pub branch_heads: BTreeMap<String, String>,
    /// Whether it was a dry run: nothing was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whether nothing was stored because of the problems.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
    /// The job that goes on importing what is new, if one was queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
    /// What could not be taken.
    pub problems: Vec<ImportProblem>,
}

impl ImportReport {
    /// A report of nothing yet.
    pub fn new(repo: RepoName, source: String) -> ImportReport {
        ImportReport {
            repo,
            source,
            packs: 0,
            commits: 0,
            snapshots: 0,
            objects: 0,
            tags: 0,
            bytes: 0,
            branch_heads: BTreeMap::new(),
            dry_run: false,
            left_out: false,
            job: None,
            problems: Vec::new(),
        }
    }
}

/// Something of a source that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProblem {
    /// What kind of thing, and fault: `branch`, `missing_bytes`, `wrong_bytes`, …
    pub kind: String,
    /// The path of a file, or the name of a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The ID of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is wrong, and the way out.
    pub detail: String,
}
