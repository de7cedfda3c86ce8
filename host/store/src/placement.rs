//! Which encoding of an entity a push contributes, and which pack the index maps it to.
//!
//! Which pack the index maps an entity to does not depend on the order of pushes: the one with the
//! preferred encoding; of equal ones the smaller pack, then the smaller key. But entities of a
//! consolidated pack stay there (`docs/decisions/0003-placement.md`).

use packhouse_catalog::{
    EntityKey, IndexRow, MovedEntity, NewEntity, PackRow, PushedPack, entity_key, entity_of,
};
use packhouse_core::Row;
use packhouse_core::row::Fingerprint;
use packhouse_model::error::Result;
use packhouse_model::names::ShelfId;
use packhouse_pack::WrittenPack;
use packhouse_run::{PackReader, RunPack};

/// A written pack that nothing is mapped to yet, without its tags.
pub(super) fn unplaced(written: &WrittenPack) -> PushedPack {
    PushedPack {
        key: written.key,
        bytes: written.bytes,
        records: written.scanned.rows.len() as u64,
        fresh: Vec::new(),
        moved: Vec::new(),
        tags: Vec::new(),
    }
}

/// Takes an entity if it is new, if its encoding here has `won` over one of that length, or if
/// the encodings are the same and this is the smaller of two packs that packhouse did not make,
/// or the stored one is `broken`.
pub(super) fn place(
    pack: &mut PushedPack,
    c: &PushedEntity,
    stored: Option<(ShelfId, Fingerprint, &PackRow)>,
    won: Option<u64>,
    broken: bool,
) {
    let row = IndexRow { entity: c.entity, fingerprint: c.row.fingerprint };
    let bytes = c.row.length;
    match stored {
        None => pack.fresh.push(NewEntity { row, bytes }),
        Some((from, fingerprint, stored)) => {
            let smaller =
                !stored.consolidated && (pack.records, pack.key) < (stored.records, stored.key);
            // One encoding has one length.
            let same = (fingerprint == c.row.fingerprint && (smaller || broken)).then_some(bytes);
            if let Some(bytes_there) = won.or(same) {
                pack.moved.push(MovedEntity { row, bytes, from, bytes_there });
            }
        }
    }
}

/// An entity of the push, in its preferred encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct PushedEntity {
    pub(super) entity: EntityKey,
    pub(super) row: Row,
    pub(super) pack: u32,
}

/// The entities of the packs that are `counted`, in order, each in its preferred encoding; of equal
/// ones in a pack that `is_consolidated`, then in the smaller pack.
pub(super) fn choose(
    reader: &mut PackReader,
    packs: &[RunPack],
    counted: &[bool],
    is_consolidated: &[bool],
) -> Result<Vec<PushedEntity>> {
    let mut all: Vec<PushedEntity> = Vec::new();
    for (number, pack) in packs.iter().enumerate().filter(|(number, _)| counted[*number]) {
        all.extend(pack.directory.rows().map(|row| PushedEntity {
            entity: entity_key(row.kind, row.id),
            row,
            pack: number as u32,
        }));
    }
    all.sort_by_key(|c| c.entity);
    let place = |c: &PushedEntity| {
        let number = c.pack as usize;
        let directory = &packs[number].directory;
        (!is_consolidated[number], directory.len(), directory.key)
    };
    let mut chosen: Vec<PushedEntity> = Vec::with_capacity(all.len());
    for c in all {
        match chosen.last_mut() {
            Some(best) if best.entity == c.entity => {
                let better = if best.row.fingerprint == c.row.fingerprint {
                    place(&c) < place(best)
                } else {
                    reader.prefers(c.row.span(c.pack), best.row.span(best.pack))?
                };
                if better {
                    *best = c;
                }
            }
            _ => chosen.push(c),
        }
    }
    debug_assert!(chosen.iter().all(|c| entity_of(&c.entity).is_some()));
    Ok(chosen)
}
