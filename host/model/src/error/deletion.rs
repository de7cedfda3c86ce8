//! Why nothing is deleted or dropped, so that nothing is lost.

use std::fmt;

use jiff::SignedDuration;

use crate::names::RepoName;
use crate::report::newer::{NEWER_WAY_OUT, NewerPacks};

/// Why nothing is deleted from storage, or dropped from a repo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeletionError {
    /// There are packs of several catalogs in one storage.
    #[error(
        "the packs in {place} belong to {} catalogs: {}. It is not known which packs the other catalogs need, so nothing is deleted. Give each catalog its own storage, or, if a catalog no longer exists, remove its note from the folder `catalogs` there",
        catalogs.len(),
        catalogs.join(", ")
    )]
    SharedStorage {
        /// The storage.
        place: String,
        /// The catalogs.
        catalogs: Vec<String>,
    },

    /// The catalog knows none of the packs in the storage.
    #[error(
        "the catalog {catalog} knows none of the {packs} packs in {place}. Check that it is the right catalog; no orphan was deleted"
    )]
    OnlyOrphans {
        /// The catalog.
        catalog: String,
        /// How many packs there are.
        packs: usize,
        /// The storage.
        place: String,
    },

    /// The catalog looks older than the packs.
    #[error(
        "{0}. They may be the only copy of pushed data, so nothing was deleted. {NEWER_WAY_OUT}. To delete them anyway: --delete-newer-than-catalog"
    )]
    OldCatalog(NewerPacks),

    /// This machine's clock and the catalog's differ by much.
    #[error(
        "{0}. Nothing was deleted; correct this machine's clock (or that of the catalog's machine), and run it again"
    )]
    ClockSkew(ClockDifference),

    /// Nothing of the repo would be left.
    #[error(
        "repo `{0}` has no branch, no tag and no release, so everything in it is unreachable: nothing was dropped. To delete it: packhouse repo delete {0}"
    )]
    AllUnreachable(RepoName),
}

/// By how much this machine's clock and that of the catalog differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// How far this machine is behind; negative: ahead.
    pub behind: SignedDuration,
    /// The catalog.
    pub catalog: String,
}

impl fmt::Display for ClockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = SignedDuration::from_secs(self.behind.abs().as_secs());
        let way = if self.behind.is_negative() { "ahead of" } else { "behind" };
        write!(f, "the clock of this machine is {by:#} {way} that of the catalog {}", self.catalog)
    }
}
