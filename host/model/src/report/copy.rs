//! The report of `copy`.

use serde::{Deserialize, Serialize};

use crate::names::RepoName;

/// Whether a copy of a repo did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyStatus {
    /// The other store has now what this one has.
    Copied,
    /// It had it already.
    Unchanged,
}

/// A repo that was copied to another store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CopyReport {
    /// `OWNER/SLUG`.
    pub repo: RepoName,
    /// Where it is now, without secrets.
    pub to: String,
    /// Packs that were copied and verified.
    pub packs: u64,
    /// Size of these packs in bytes.
    pub bytes: u64,
    /// Whether something was changed there.
    pub status: CopyStatus,
}
