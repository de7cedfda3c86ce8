//! Why a push is refused.

use std::path::PathBuf;

use packhouse_core::BranchConflict;

use super::wording::{describe_conflicts, in_characters, more};
use crate::names::RepoName;
use crate::text::escaped;

/// Why a push is refused. Nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// A pushed pack is malformed.
    #[error("{}, byte {offset}: {}{reason}; nothing was stored", file.display(), record.as_ref().map_or_else(String::new, |r| format!("{r}: ")))]
    BadPack {
        /// The file.
        file: PathBuf,
        /// The offset of the fault, in bytes.
        offset: u64,
        /// The record with the fault, for the message.
        record: Option<String>,
        /// What is wrong.
        reason: String,
    },

    /// Two encodings of one entity refer to different entities.
    #[error(
        "{entity} in {first} and in {second} disagree: {detail}. One of them is forged or damaged; nothing was stored"
    )]
    Disagreement {
        /// Kind and id.
        entity: String,
        /// Where the first encoding is, for the message.
        first: String,
        /// Where the second is.
        second: String,
        /// What differs.
        detail: String,
    },

    /// Branches whose heads don't descend from each other.
    #[error("{}; nothing was stored. Fetch and merge first, or push with --force to move the branch", describe_conflicts(.0))]
    HeadConflict(Vec<BranchConflict>),

    /// A branch name that is a folder of another branch's name, or the reverse.
    #[error(
        "branch `{}` conflicts with branch `{}`: clones keep branches as files, and a name can't be both a file and a folder; nothing was stored. Push to another name, or delete the other branch: packhouse branch delete {repo} '{}'",
        escaped(branch),
        escaped(other),
        escaped(other)
    )]
    BranchInTheWay {
        /// The repo.
        repo: RepoName,
        /// The new branch.
        branch: String,
        /// The existing branch.
        other: String,
    },

    /// The name of another branch, in other characters.
    #[error(
        "branch `{}` has the same name as branch `{}` for file systems that normalise Unicode, and clones keep branches as files; nothing was stored. Push to the existing name, or delete that branch: packhouse branch delete {repo} NAME",
        in_characters(branch),
        in_characters(other)
    )]
    SameBranch {
        /// The repo.
        repo: RepoName,
        /// The new branch.
        branch: String,
        /// The existing branch.
        other: String,
    },

    /// The branch would reach records that are neither in the repo nor in the push.
    #[error(
        "this push is incomplete; nothing was stored. A clone of another hub omits what that hub has. Push all of it: muse bundle create all.mpack {branch}, then {packhouse} push {repo} all.mpack. Missing: {}{}. Or let an administrator accept pushes with holes: {packhouse} repo set {repo} --accept-shallow",
        missing.join(", "), more(*.left_out)
    )]
    Incomplete {
        /// The repo.
        repo: RepoName,
        /// The branch.
        branch: String,
        /// How packhouse is called for the store, from where the push came.
        packhouse: String,
        /// Some of the missing records, each with what refers to it.
        missing: Vec<String>,
        /// How many more are missing.
        left_out: usize,
    },
}
