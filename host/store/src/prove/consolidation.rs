//! The proof of a consolidation: the new pack contains what the index maps, and nothing else.

use packhouse_catalog::{IndexRow, entity_key, entity_of};
use packhouse_core::{Head, Plan};
use packhouse_model::report::GcProof;
use packhouse_pack::WrittenPack;
use packhouse_pack::scan::ScannedPack;
use packhouse_run::RunPack;

use super::{ProofError, same_records, wrong};

/// Compares what was read back with the index: every entity, once, in the encoding that is mapped,
/// and no other. `index` is in order. Gives how many entities of it were found.
pub(crate) fn covers(scanned: &ScannedPack, index: &[IndexRow]) -> Result<u64, ProofError> {
    let mut rows: Vec<IndexRow> = scanned
        .rows
        .iter()
        .map(|row| IndexRow { entity: entity_key(row.kind, row.id), fingerprint: row.fingerprint })
        .collect();
    rows.sort_unstable();
    let name = |row: &IndexRow| match entity_of(&row.entity) {
        Some((kind, id)) => format!("{kind} {id}"),
        None => "an entity".into(),
    };
    let mut made = rows.iter();
    let mut covered = 0;
    for row in index {
        match made.next() {
            Some(found) if found == row => covered += 1,
            Some(found) if found.entity == row.entity => {
                return wrong(format!("{} has another encoding than in the index", name(row)));
            }
            Some(found) if found.entity < row.entity => {
                return wrong(format!("{} is there twice, or not in the index", name(found)));
            }
            _ => return wrong(format!("{} is missing", name(row))),
        }
    }
    match made.next() {
        Some(extra) => wrong(format!("{} is there twice, or not in the index", name(extra))),
        None => Ok(covered),
    }
}

/// The whole proof of what was read back, against the plan and the index; `index` is in order.
/// `sources_hashed` is what was verified of the sources in parallel.
pub(crate) fn prove(
    plan: &Plan,
    packs: &[RunPack],
    written: &WrittenPack,
    heads: &[Head],
    index: &[IndexRow],
    sources_hashed: u64,
) -> Result<GcProof, ProofError> {
    let scanned = &written.scanned;
    let records = same_records(plan, packs, scanned, heads)?;
    let entities = covers(scanned, index)?;
    if scanned.bytes != written.bytes {
        return wrong(format!(
            "{} bytes were read back, but {} were hashed",
            scanned.bytes, written.bytes
        ));
    }
    Ok(GcProof {
        entities,
        records,
        objects_hashed: scanned.objects_hashed,
        bytes_read_back: scanned.bytes,
        sources_hashed,
    })
}
