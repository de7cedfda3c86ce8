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
    /// How long the URL is valid.
    pub ttl: Duration,
    /// A file to write the pack to as well.
    pub output: Option<PathBuf>,
}

impl FetchRequest {
    /// Maximum number of wants, and of haves.
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
    /// Everything that branches reach, with a URL for an hour.
    fn default() -> Self {
        FetchRequest {
            want: Vec::new(),
            have: Vec::new(),
            ttl: Duration::from_secs(3600),
            output: None,
        }
    }
}

/// Options of a push.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Move branches even if the heads don't descend from each other.
    pub force: bool,
}

/// Which of the deleted repos of a name to restore, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The id of the repo; none for the one that was deleted last.
    pub id: Option<RepoId>,
    /// The new name; none for the one that it had.
    pub new_name: Option<RepoName>,
}

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneOptions {
    /// How long ago a pack must have been replaced.
    pub grace: Duration,
    /// Whether to delete packs that no repo refers to, if they are older than a day.
    pub orphans: bool,
    /// Whether to delete them even if the catalog looks older than they are; then they may be the
    /// only copy of pushed data.
    pub newer: bool,
    /// Only report what would be deleted.
    pub dry_run: bool,
    /// How recently a pack that replaces others must have been completely read and hashed to be
    /// trusted. Zero reads it now.
    pub trust_verified: Duration,
}

impl Default for PruneOptions {
    /// A day longer than a fetch's URL can be valid.
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
