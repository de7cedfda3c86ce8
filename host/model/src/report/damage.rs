//! Damage, packs that were kept because of it, and repairs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::{MpackKey, RepoName};

/// Known damage: found, and not found repaired since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Damage {
    /// The pack. Null: the catalog's record of the repo does not match its packs.
    pub mpack_key: Option<MpackKey>,
    /// When it was first found.
    pub since: Timestamp,
    /// The verb that found it.
    pub found_by: String,
    /// What is wrong.
    pub detail: String,
}

/// A pack that `prune` kept, because it may be the last good copy of some data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptPack {
    /// `OWNER/SLUG`: the repo that may need it.
    pub repo: RepoName,
    /// The pack that was kept.
    pub pack: MpackKey,
    /// What is wrong with its replacement, and what to do.
    pub detail: String,
}

/// A repair by `verify --repair`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Repaired {
    /// The pack that was missing or damaged; none: the index.
    pub pack: Option<MpackKey>,
    /// Entities that are mapped to another pack now, or that were indexed again; 0 if the pack itself
    /// was restored.
    pub entities: u64,
    /// The packs that they are mapped to now.
    pub from: Vec<MpackKey>,
    /// What was done.
    pub detail: String,
}
