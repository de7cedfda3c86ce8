//! What is inside a repo: commits, files, records.

use packhouse_core::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::{MpackKey, RepoName};

/// Which commits to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The branch whose head comes first; none: the default branch.
    pub branch: Option<String>,
    /// The commits to start with instead: [`LogPage::next`] of the page before.
    pub from: Vec<String>,
    /// The maximum number. A page has more where commits came in disorder, and no consolidation has
    /// numbered them since.
    pub limit: u32,
}

/// A commit, as clients wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedCommit {
    /// The repo.
    pub repo: RepoName,
    /// Its ID.
    pub commit: String,
    /// Its parents, whether or not the repo has them.
    pub parents: Vec<String>,
    /// Its snapshot.
    pub snapshot: Option<String>,
    /// The branches whose head it is, by name.
    pub branches: Vec<String>,
    /// The IDs of the tags that name it, by text.
    pub tags: Vec<String>,
    /// Its message; like the following, none if the record has no such text.
    pub message: Option<String>,
    /// Its author.
    pub author: Option<String>,
    /// When it was made, as the client wrote it.
    pub committed_at: Option<String>,
}

/// Commits, each before its parents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The commits.
    pub commits: Vec<LoggedCommit>,
    /// The commits that the next page starts with; empty at the end.
    pub next: Vec<String>,
}

/// Which files of a commit to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesQuery {
    /// The ID of a commit, the beginning of one, or the name of a branch.
    pub commit: String,
    /// A file, or a folder; none: all files.
    pub path: Option<String>,
    /// The path after which to start; none: the first.
    pub after: Option<String>,
    /// The maximum number.
    pub limit: u32,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommittedFile {
    /// The repo.
    pub repo: RepoName,
    /// The commit.
    pub commit: String,
    /// The path.
    pub path: String,
    /// The object with its content.
    pub object: String,
}

/// Files of a commit, by path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesPage {
    /// The files.
    pub files: Vec<CommittedFile>,
    /// The path after which the next page starts; none at the end.
    pub next: Option<String>,
    /// A snapshot that the repo does not have: files that only it lists are left out.
    pub missing_snapshot: Option<String>,
}

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundRecord {
    /// The repo.
    pub repo: RepoName,
    /// What it is.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Its ID.
    pub id: String,
    /// The pack that the index maps it to.
    pub mpack_key: MpackKey,
    /// Where it begins in the pack, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Which records of a pack to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackRecordsQuery {
    /// The pack: one that the repo needs, or one that waits for deletion.
    pub pack: MpackKey,
    /// The byte of the pack where to begin: [`PackRecordsPage::next`] of the page before.
    pub from: u64,
    /// The maximum number.
    pub limit: u32,
    /// Only records of this kind.
    pub kind: Option<Kind>,
    /// Only records whose IDs begin so; of tags, those with this text.
    pub id: Option<String>,
}

/// A record of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackRecord {
    /// What it is.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// Its ID.
    pub id: String,
    /// Where it begins in the pack, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The pack that the index maps the ID to; none: the repo no longer has it.
    pub mpack_key: Option<MpackKey>,
    /// Whether the index maps the ID to this pack, in this encoding. If not, this copy is a
    /// duplicate. Of a record that the pack repeats, each copy is needed.
    pub needed: bool,
}

/// Records of a pack, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackRecordsPage {
    /// The records. A search may find fewer than were asked for, and not be at the end.
    pub records: Vec<PackRecord>,
    /// The byte of the pack where the next page begins; none at the end.
    pub next: Option<u64>,
    /// The size of the pack in bytes.
    pub pack_bytes: u64,
    /// The number of all its records.
    pub pack_records: u64,
}

/// A record: where it is, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordReport {
    /// Where it is.
    #[serde(flatten)]
    pub place: FoundRecord,
    /// The bytes of its content; none if it is no object.
    pub content_bytes: Option<u64>,
    /// Its fields; none if it is an object. Binary values are hexadecimal.
    #[schema(value_type = Option<Object>)]
    pub fields: Option<serde_json::Value>,
}
