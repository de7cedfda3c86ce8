//! The reports of `push` and `fetch`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::{MpackKey, RepoName};

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

/// `fetch`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FetchReport {
    /// The pack's key. Null for a pack of more than 4 MiB that is assembled while it is sent: its key
    /// is known when it was downloaded.
    pub mpack_key: Option<MpackKey>,
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
