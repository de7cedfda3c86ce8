//! The report of `backup`.

use serde::Serialize;

use super::ProblemKind;
use crate::names::{MpackKey, RepoName};

/// `backup`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// Where the backup is.
    pub directory: String,
    /// Repos in it.
    pub repos: u64,
    /// Packs in it: those that its catalog needs, and those pending deletion.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Packs that were hard-linked now.
    pub linked: u64,
    /// Packs that were copied now.
    pub copied: u64,
    /// With `--update`: packs that its catalog does not list any more, and that were removed.
    pub removed: u64,
    /// Packs that were read and hashed in the copy.
    pub verified: u64,
    /// Whether all packs that its catalog needs are present and intact.
    pub ok: bool,
    /// What is missing or damaged.
    pub problems: Vec<BackupProblem>,
    /// Milliseconds.
    pub elapsed_ms: u64,
}

/// Data of the store that could not be backed up, or is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupProblem {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// The kind of damage.
    pub kind: ProblemKind,
    /// The affected entity, as `KIND ID`.
    pub entity: Option<String>,
    /// The affected pack.
    pub pack: Option<MpackKey>,
    /// What was found, where, and what to do.
    pub detail: String,
}
