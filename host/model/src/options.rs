//! Options of the verbs.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::names::{RepoId, RepoName};

/// What to fetch.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Commit ids; empty: every branch head.
    pub want: Vec<String>,
    /// Commit ids that the client has.
    pub have: Vec<String>,
    /// How long the answer's URL is valid.
    pub ttl: Duration,
    /// A file to write the pack to, besides.
    pub output: Option<PathBuf>,
}

impl FetchRequest {
    /// Most wants, and most haves.
    pub const MAX_IDS: usize = 100_000;

    /// Refuses more ids than that.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check(&self) -> Result<()> {
        for (what, ids) in [("wants", &self.want), ("haves", &self.have)] {
            if ids.len() > Self::MAX_IDS {
                let (given, most) = (ids.len(), Self::MAX_IDS);
                return Err(Error::Usage(format!(
                    "a fetch takes at most {most} {what}, but {given} were given; fetch in parts"
                )));
            }
        }
        Ok(())
    }
}

impl Default for FetchRequest {
    /// Everything that branches reach, good for an hour.
    fn default() -> Self {
        FetchRequest {
            want: Vec::new(),
            have: Vec::new(),
            ttl: Duration::from_secs(3600),
            output: None,
        }
    }
}

/// How to push.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Move branches even where the heads don't lead to each other.
    pub force: bool,
}

/// Which of the deleted repos of a name to restore, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The id of the repo; none: the one that was deleted last.
    pub id: Option<RepoId>,
    /// The name that it gets; none: the one that it had.
    pub new_name: Option<RepoName>,
}

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// How long ago a pack must have been replaced.
    pub grace: Duration,
    /// Whether packs that no repo knows are deleted as well, when they are older than a day.
    pub orphans: bool,
    /// Whether they are deleted even where the catalog looks older than they are, and they may be
    /// all that is left of pushes.
    pub newer: bool,
    /// Only say what would be deleted.
    pub dry_run: bool,
    /// How recently a pack that replaces others must have been read and hashed whole, to be
    /// trusted. Zero: it is read now.
    pub trust_verified: Duration,
}

impl Default for PruneOptions {
    /// A day longer than a fetch's URL can be good.
    fn default() -> Self {
        PruneOptions {
            grace: Duration::from_secs(8 * 24 * 3600),
            orphans: false,
            newer: false,
            dry_run: false,
            trust_verified: Duration::ZERO,
        }
    }
}
