//! What a run says of a key.

use packhouse_core::row::Fingerprint;
use packhouse_model::names::ShelfId;

/// Width of a [`Key`].
pub(crate) const KEY_BYTES: usize = PREFIX_BYTES + DIGEST_BYTES;

/// Width of what rows of a leaf share: kind, and form of the ID.
pub(crate) const PREFIX_BYTES: usize = 2;

/// Width of the rest of a key.
pub(crate) const DIGEST_BYTES: usize = 32;

/// An entity as the index names it: its kind, the form of its ID, its digest. Keys compare by their
/// bytes. The catalog's `EntityKey`.
pub type Key = [u8; KEY_BYTES];

/// The end of a key: what a node knows of each row.
pub(crate) fn tail(key: &Key) -> [u8; 2] {
    [key[KEY_BYTES - 2], key[KEY_BYTES - 1]]
}

/// A row of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The entity.
    pub key: Key,
    /// What became of it.
    pub change: Change,
    /// Which encoding; all zeros for the one that is not written down, and for a dropped entity.
    pub fingerprint: Fingerprint,
}

/// What a run changes about an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is on this shelf, and in no older run, unless that drops it.
    New(ShelfId),
    /// It is on this shelf, whatever older runs say.
    Replaces(ShelfId),
    /// The index no longer has it.
    Dropped,
}

impl Change {
    /// The shelf that the entity is on; none if it was dropped.
    pub fn shelf(self) -> Option<ShelfId> {
        match self {
            Change::New(shelf) | Change::Replaces(shelf) => Some(shelf),
            Change::Dropped => None,
        }
    }
}
