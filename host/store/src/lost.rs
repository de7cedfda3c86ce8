//! What a repo has lost: entities that its index maps to packs that do not have them, and packs in
//! which they were found again.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_catalog::{IndexRow, MovedEntity, PushedPack, Snapshot, entity_of};
use packhouse_core::Kind;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::report::{ProblemKind, VerifyReport};

use super::verify::Seen;

/// Page size of index rows.
const PAGE: u32 = 8192;

/// Lost entities that a finding names.
const NAMED: usize = 5;

/// Entities that the index maps to a pack that does not contain them, with the shelf.
pub(super) type Lost = BTreeMap<IndexRow, ShelfId>;

/// A pack that contains some of them.
pub(super) struct Candidate {
    pub(super) key: MpackKey,
    pub(super) bytes: u64,
    pub(super) records: u64,
    /// Its records with their lengths, in order.
    pub(super) entities: Vec<(IndexRow, u64)>,
}

/// Records of a pack that have no intact copy.
#[derive(Default)]
pub(super) struct LostRecords {
    count: usize,
    /// Some of them, as messages call them.
    names: Vec<String>,
}

/// Entities that the index maps to packs that do not contain them.
pub(super) async fn lost_of(seen: &Seen, snapshot: &mut dyn Snapshot) -> Result<Lost> {
    let shelves: BTreeMap<ShelfId, i64> =
        seen.shelves.iter().map(|shelf| (shelf.id, shelf.pack.id)).collect();
    let (mut lost, mut last) = (Lost::new(), None);
    loop {
        let page = snapshot.index_page(last.as_ref(), PAGE).await?;
        let Some((row, _)) = page.last() else { return Ok(lost) };
        last = Some(row.entity);
        for (row, shelf) in page {
            // A mapping to a shelf that does not exist is damage of the catalog, which can't be
            // repaired here.
            let Some(pack) = shelves.get(&shelf) else { continue };
            let given = seen.contents.get(pack).is_some_and(|found| {
                found.entities.binary_search_by_key(&row, |(row, _)| *row).is_ok()
            });
            if !given {
                lost.insert(row, shelf);
            }
        }
    }
}

/// The lost entities that a pack contains, in the encoding that the index maps.
pub(super) fn take(lost: &mut Lost, candidate: &Candidate) -> Option<PushedPack> {
    let mut moved = Vec::new();
    let mut taken = BTreeSet::new();
    for (row, bytes) in &candidate.entities {
        if let Some(from) = lost.get(row).filter(|_| taken.insert(*row)) {
            moved.push(MovedEntity { row: *row, bytes: *bytes, from: *from, bytes_there: *bytes });
        }
    }
    taken.iter().for_each(|row| {
        lost.remove(row);
    });
    let Candidate { key, bytes, records, .. } = candidate;
    let pack = PushedPack {
        key: *key,
        bytes: *bytes,
        records: *records,
        fresh: Vec::new(),
        moved,
        tags: Vec::new(),
    };
    (!pack.moved.is_empty()).then_some(pack)
}

/// Names some of what is lost, by pack.
pub(super) async fn name(
    seen: &Seen,
    lost: &Lost,
    snapshot: &mut dyn Snapshot,
) -> Result<BTreeMap<MpackKey, LostRecords>> {
    let packs: BTreeMap<ShelfId, MpackKey> =
        seen.shelves.iter().map(|shelf| (shelf.id, shelf.pack.key)).collect();
    let mut named: BTreeMap<MpackKey, LostRecords> = BTreeMap::new();
    for (row, shelf) in lost {
        let Some(pack) = packs.get(shelf) else { continue };
        let of_pack = named.entry(*pack).or_default();
        of_pack.count += 1;
        let entity = entity_of(&row.entity).filter(|_| of_pack.names.len() < NAMED);
        let Some((kind, id)) = entity else { continue };
        let text = match kind {
            Kind::Tag => snapshot.tag_id(id).await?,
            Kind::Commit | Kind::Snapshot | Kind::Object => None,
        };
        of_pack.names.push(format!("{kind} {}", text.unwrap_or_else(|| id.to_string())));
    }
    Ok(named)
}

/// Adds to the findings what has no intact copy.
pub(super) fn add_lost(report: &mut VerifyReport, left: &BTreeMap<MpackKey, LostRecords>) {
    for problem in &mut report.problems {
        let is_pack = matches!(problem.kind, ProblemKind::MissingPack | ProblemKind::DamagedPack);
        let lost = problem.pack.filter(|_| is_pack).and_then(|pack| left.get(&pack));
        if let Some(LostRecords { count, names }) = lost {
            let more = match count - names.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let names = names.join(", ");
            problem.detail += &format!(". No intact copy in this store of: {names}{more}");
        }
    }
}
