//! The report of `verify`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Repaired;
use crate::names::{MpackKey, RepoName};

/// `verify` of one repo.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Packs read.
    pub packs_checked: u64,
    /// Objects whose content was hashed; one in two packs counts twice.
    pub objects_checked: u64,
    /// Bytes read.
    pub bytes_checked: u64,
    /// Whether there are no problems.
    pub ok: bool,
    /// Problems; after a repair, the remaining ones.
    pub problems: Vec<Problem>,
    /// What was repaired: with `--repair`, and directories that were rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Vec<Repaired>>,
}

/// A problem of a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of damage: see [`ProblemKind`].
    pub kind: ProblemKind,
    /// The affected entity, as `KIND ID`.
    pub entity: Option<String>,
    /// The affected pack.
    pub pack: Option<MpackKey>,
    /// What was found, where, and the way out.
    pub detail: String,
}

/// Kinds of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A pack's file is missing.
    MissingPack,
    /// A pack's bytes don't match its key.
    DamagedPack,
    /// The index maps an entity to a pack that does not have it.
    LostEntity,
    /// A pack has an entity that is not in the index.
    UnindexedEntity,
    /// A pack's directory does not match the pack, and could not be rebuilt.
    DamagedDirectory,
    /// Counts or edges of the catalog don't match the records.
    DamagedCatalog,
    /// A branch has a name that clients can't keep: it was stored before names had a grammar.
    BadBranchName,
}

impl ProblemKind {
    /// Whether it is damage that the catalog keeps until a repair or a verification finds it gone. A
    /// directory is made again from its pack, and a name is no damage.
    pub fn is_damage(self) -> bool {
        !matches!(self, ProblemKind::DamagedDirectory | ProblemKind::BadBranchName)
    }
}
