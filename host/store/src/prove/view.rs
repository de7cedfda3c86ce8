//! What the proof of an answer reads of a repo.

use packhouse_core::ports::{Ancestor, MAX_ITEMS, MAX_RECORD_BYTES};
use packhouse_core::{EntityId, Kind};
use packhouse_model::error::Result;
use packhouse_run::LocatedRow;

use super::ProofError;

/// One state of a repo: that on which the answer was planned.
pub(crate) trait RepoView {
    /// As [`packhouse_catalog::Snapshot::history`].
    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>>;

    /// No walk may end at a commit of this generation or above; none: generations always decrease
    /// from child to parent.
    fn walk_floor(&mut self) -> Result<Option<u64>>;

    /// The tags of commits, in no order.
    fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<EntityId>>;

    /// Whether the index maps each entity of a kind.
    fn knows(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>>;

    /// The number of the pack to which the index maps each entity, in order; none: not in the index.
    fn packs_of(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<u32>>>;

    /// The tags in all packs but one, each with the commit that it names. They may repeat, and be in
    /// that pack, too.
    fn tags_outside(&mut self, pack: u32) -> Result<Vec<(EntityId, EntityId)>, ProofError>;

    /// Where the index has each snapshot, in order; none: not in the index.
    fn locate(&mut self, snapshots: &[EntityId]) -> Result<Vec<Option<LocatedRow>>>;

    /// Calls `each` for everything that snapshots list, one snapshot after the other: a parent, and
    /// the objects of `manifest` or `delta_upsert`. The records are compared with their rows.
    fn read(
        &mut self,
        snapshots: &[LocatedRow],
        each: &mut dyn FnMut(&LocatedRow, Kind, EntityId) -> Result<(), ProofError>,
    ) -> Result<(), ProofError>;
}

/// Records in batches that are read at once.
pub(super) fn batches(records: &[LocatedRow]) -> impl Iterator<Item = &[LocatedRow]> {
    let mut left = records;
    std::iter::from_fn(move || {
        let (mut count, mut bytes) = (0, 0u64);
        for record in left.iter().take(MAX_ITEMS as usize) {
            bytes = bytes.saturating_add(record.row.length);
            if count > 0 && bytes > MAX_RECORD_BYTES {
                break;
            }
            count += 1;
        }
        let (batch, rest) = left.split_at(count);
        left = rest;
        (!batch.is_empty()).then_some(batch)
    })
}
