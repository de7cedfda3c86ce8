//! Complete packs: a clone of the repo is that pack, as long as heads and mapping are unchanged.

use packhouse_core::{Counts, EntityId};

use super::rows::{EntityKey, PackRow};

/// What was found out about a pack that is exactly what its heads reach, in canonical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletePack {
    /// SHA-256 of the names and ids of the heads.
    pub heads_digest: [u8; 32],
    /// The distinct ids of the heads, ascending.
    pub heads: Vec<EntityId>,
    /// Entities that it reaches and that the repo did not have, in order.
    pub missing: Vec<EntityKey>,
    /// Its records, by kind. Each is the only one of its entity.
    pub counts: Counts,
}

/// The complete pack of a repo, with what tells whether it is current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletePackRow {
    /// The pack.
    pub pack: PackRow,
    /// How many entities the index of the repo maps to it: less than its records when some of them
    /// are mapped to other packs by now, or were dropped.
    pub mapped: u64,
    /// What was found out about it.
    pub complete: CompletePack,
}
