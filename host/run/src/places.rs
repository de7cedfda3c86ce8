//! Where the records of the stored packs of a run are, by entity.

use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Kind, Location};

use super::reader::RunPack;

/// The records of the stored packs, by kind and ID, then by pack.
#[derive(Debug)]
pub(crate) struct Places(Vec<(Kind, EntityId, Fingerprint, Location)>);

impl Places {
    pub(crate) fn of(packs: &[RunPack]) -> Places {
        let mut places = Vec::new();
        for (number, pack) in packs.iter().enumerate().filter(|(_, pack)| pack.is_stored()) {
            for (row, record) in pack.directory.rows().enumerate() {
                let place = Location { at: record.span(number as u32), row: row as u64 };
                places.push((record.kind, record.id, record.fingerprint, place));
            }
        }
        places.sort_by_key(|(kind, id, _, place)| (*kind, *id, place.at));
        Places(places)
    }

    /// The first record of an entity in an encoding.
    pub(crate) fn find(
        &self,
        kind: Kind,
        id: EntityId,
        fingerprint: Fingerprint,
    ) -> Option<Location> {
        let first = self.0.partition_point(|(k, i, ..)| (*k, *i) < (kind, id));
        self.0[first..]
            .iter()
            .take_while(|(k, i, ..)| (*k, *i) == (kind, id))
            .find(|(_, _, encoding, _)| *encoding == fingerprint)
            .map(|(.., place)| *place)
    }
}
