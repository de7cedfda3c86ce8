//! Repos that were deleted, and how they come back.

use jiff::Timestamp;
use packhouse_model::names::{MpackKey, RepoId, RepoName};

/// What remains of a repo after its deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionSummary {
    /// Packs that are pending deletion now.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Cancelled jobs.
    pub jobs: u64,
}

/// Which deleted repo to restore, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoRestoration {
    /// The name that it had.
    pub name: RepoName,
    /// Which of the repos that had this name; none for the one that was deleted last.
    pub id: Option<RepoId>,
    /// The name to restore it under.
    pub new_name: RepoName,
}

impl RepoRestoration {
    /// The repo of a name that was deleted last, under its name.
    pub fn latest(name: &RepoName) -> RepoRestoration {
        RepoRestoration { name: name.clone(), id: None, new_name: name.clone() }
    }
}

/// The outcome of restoring a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// The repo is restored, as it was.
    Done,
    /// Another repo has the name that it would get.
    Taken,
    /// No repo of that name, or of that id, was deleted.
    Unknown,
    /// Prune has removed it.
    Pruned {
        /// When.
        at: Timestamp,
        /// One of its packs that no other repo had; none if there was none.
        pack: Option<MpackKey>,
    },
}
