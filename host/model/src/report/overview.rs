//! The operator's view: summaries of repos, their packs, and their consolidations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GcRecord, GcReport};
use crate::names::{MpackKey, RepoName};

/// The summary of a repo: what is known without reading a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepoSummary {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Packs that the index maps at least one entity to.
    pub packs: u64,
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
    /// Size including packs pending deletion, in bytes.
    pub stored_bytes: u64,
    /// Bytes that a consolidation would not write again: duplicate records of `packs`, and the
    /// framing of each. Estimated by records if the catalog did not count bytes. 0 for a repo of at
    /// most one pack.
    pub duplicate_bytes: u64,
    /// Bytes of packs pending deletion.
    pub superseded_bytes: u64,
    /// The last consolidation, if there was one.
    pub last_gc: Option<GcRecord>,
    /// Known damage: its missing or damaged packs, and 1 more when the catalog does not match them.
    #[serde(default)]
    pub damaged: u64,
    /// When the repo was created.
    pub created_at: Timestamp,
}

impl RepoSummary {
    /// Whether its last consolidation failed for a reason that may stand: damage that was repaired
    /// since does not.
    pub fn gc_failed(&self) -> bool {
        self.last_gc.as_ref().is_some_and(|last| last.still_fails(self.damaged > 0))
    }

    /// Bytes that a consolidation would save. Packs pending deletion are not counted: a
    /// consolidation does not delete them, and adds the packs that it replaces.
    pub const fn reclaimable(&self) -> u64 {
        self.duplicate_bytes
    }
}

/// A pack of a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackReport {
    /// Its key.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its records, duplicates included.
    pub records: u64,
    /// When it was first stored, by any repo.
    pub stored_at: Timestamp,
    /// Whether a consolidation wrote it.
    pub consolidated: bool,
    /// Records that the index maps to it: the rest are duplicates.
    pub needed_records: u64,
    /// Their size in bytes; estimated by records if the catalog did not count.
    pub needed_bytes: u64,
    /// When a consolidation replaced it: since then it is pending deletion.
    pub retired_at: Option<Timestamp>,
}

/// A repo after a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What was published.
    pub cause: Cause,
    /// Packs that the index mapped at least one entity to from then on.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What changed the packs of a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A push.
    Push,
    /// A consolidation.
    Consolidation,
}

impl Cause {
    /// As it is written in the catalog and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Push => "push",
            Cause::Consolidation => "consolidation",
        }
    }
}

/// A finished consolidation, of any repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcEntry {
    /// Its id; later ones have greater ids.
    pub id: i64,
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// How it ended.
    pub record: GcRecord,
    /// Its whole report, if it published something.
    pub report: Option<GcReport>,
}

/// Which consolidations to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcQuery {
    /// Of one repo; none for all.
    pub repo: Option<RepoName>,
    /// A text that the repo's name, the outcome, the key or the error contains literally; ASCII
    /// case is ignored. Empty: all.
    pub text: String,
    /// Before the one with this id; none to start with the newest.
    pub before: Option<i64>,
    /// The maximum number.
    pub limit: u32,
}
