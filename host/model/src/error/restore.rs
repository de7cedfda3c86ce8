//! Repos that were deleted, and why they are not restored.

use super::wording::candidates;
use crate::names::{MpackKey, RepoId, RepoName};
use crate::report::repo::DeletedRepo;
use crate::text::escaped;

/// Why a deleted repo is not there, or is not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// No such repo: it was deleted, and can be restored. For callers who may restore it.
    #[error(
        "there is no repo `{repo}` in this store: it was deleted at {}; restore it with: packhouse repo restore {repo}. {}. To create a new one: packhouse repo create {repo}",
        deleted.first().map_or_else(String::new, |last| last.deleted_at.to_string()),
        candidates(repo, deleted)
    )]
    DeletedRepo {
        /// The name.
        repo: RepoName,
        /// Those that can be restored, the last one first.
        deleted: Vec<DeletedRepo>,
    },

    /// The repo can't be restored: another repo has the name that it would get.
    #[error(
        "repo `{repo}` can't be restored: another repo has {}. {}. Nothing was changed",
        if repo == name { "this name now".to_owned() } else { format!("the name `{name}`") },
        if deleted.is_empty() {
            format!("No deleted repo `{repo}` is left; `packhouse repo show {name}` shows the other")
        } else {
            format!(
                "Restore it under another name: packhouse repo restore {repo} --as OWNER/SLUG. {}",
                candidates(repo, deleted)
            )
        }
    )]
    NameTaken {
        /// The name of the deleted repo.
        repo: RepoName,
        /// The name that it would get.
        name: RepoName,
        /// Those that can be restored, the last one first.
        deleted: Vec<DeletedRepo>,
    },

    /// None of the deleted repos of that name has that id.
    #[error(
        "no deleted repo `{repo}` has the id {}. {}. Nothing was changed",
        escaped(&id.0),
        candidates(repo, deleted)
    )]
    UnknownDeletion {
        /// The name.
        repo: RepoName,
        /// The id.
        id: RepoId,
        /// Those that can be restored, the last one first.
        deleted: Vec<DeletedRepo>,
    },

    /// No repo of that name was deleted.
    #[error(
        "there is no deleted repo `{0}` in this store; `packhouse repo list` lists the repos that are not deleted"
    )]
    NeverDeleted(RepoName),

    /// Prune has deleted the repo's data.
    #[error(
        "repo `{repo}` can't be restored: prune deleted its data at {at}{}. Nothing was changed; push its history again, or restore the store from a backup",
        pack.as_ref().map_or_else(String::new, |pack| format!(", with pack {pack}"))
    )]
    Pruned {
        /// The repo.
        repo: RepoName,
        /// When.
        at: jiff::Timestamp,
        /// A pack that no other repo had.
        pack: Option<MpackKey>,
    },
}
