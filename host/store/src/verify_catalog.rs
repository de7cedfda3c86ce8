//! What the catalog says of a repo, compared with what is in the repo's packs.

use std::collections::BTreeMap;

use packhouse_catalog::{EntityKey, IndexRow, PackRow, Shelf, Snapshot, Sums, entity_of};
use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Counts, Edges};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::{MpackKey, ShelfId, unusable};
use packhouse_model::report::{Problem, ProblemKind};
use packhouse_model::text::escaped;
use packhouse_pack::ScannedPack;

use super::verify_graph::{FoundTag, verify_generations, verify_tags};

/// Index rows that a page of the catalog holds.
const PAGE: u32 = 8192;

/// What was found in a pack that could be read.
pub(super) struct Contents {
    /// Its entities with the lengths of their records in bytes, in order.
    pub(super) entities: Vec<(IndexRow, u64)>,
    /// What its commits reach.
    pub(super) edges: Vec<Edges>,
    /// What its tags name.
    pub(super) tags: Vec<FoundTag>,
}

/// The records of a pack with their lengths in bytes, in order.
pub(super) fn entities(scanned: &ScannedPack) -> Vec<(IndexRow, u64)> {
    let rows = scanned.rows.iter().map(|row| (IndexRow::of(row), row.length));
    let mut entities: Vec<_> = rows.collect();
    entities.sort_unstable();
    entities
}

/// What the index was found to map to a shelf.
#[derive(Clone, Copy, Default)]
struct Mapped {
    /// How many entities.
    entities: Counts,
    /// Bytes of those records that the shelf's pack was found to hold.
    bytes: u64,
    /// How many those are.
    measured: u64,
}

/// Compares all that the catalog says of a repo with the contents of its sound packs, by the
/// catalog's number of the pack. Returns whether the index is damaged.
pub(super) async fn verify_catalog(
    snapshot: &mut dyn Snapshot,
    shelves: &[Shelf],
    contents: &BTreeMap<i64, Contents>,
    problems: &mut Vec<Problem>,
) -> Result<bool> {
    let packs: BTreeMap<ShelfId, &PackRow> =
        shelves.iter().map(|shelf| (shelf.id, &shelf.pack)).collect();
    let before = problems.len();
    let indexed = verify_index(snapshot, &packs, contents, problems).await;
    let is_readable = indexed.is_ok();
    match indexed {
        Ok(mapped) => {
            for shelf in shelves {
                verify_shelf(shelf, &mapped.get(&shelf.id).copied().unwrap_or_default(), problems);
            }
        }
        Err(error) => problems.push(unreadable(error)?),
    }
    verify_sums(snapshot, shelves, problems).await?;
    // Where records are lost, repair looks for them in other packs first.
    let is_index_damaged =
        problems[before..].iter().any(|found| found.kind != ProblemKind::LostEntity);
    for found in contents.values() {
        verify_edges(snapshot, &found.edges, problems).await?;
        if is_readable {
            verify_tags(snapshot, &found.tags, problems).await?;
        }
    }
    verify_generations(snapshot, problems).await?;
    verify_branches(snapshot, problems).await?;
    Ok(is_index_damaged)
}

/// The catalog's totals are those of the shelves.
async fn verify_sums(
    snapshot: &mut dyn Snapshot,
    shelves: &[Shelf],
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let sums = Sums::of(shelves, &snapshot.retired().await?);
    if snapshot.repo().sums != sums {
        let detail = "the catalog's totals for the repo do not match its shelves; run verify with --repair, or restore the catalog from a backup".into();
        let kind = ProblemKind::DamagedCatalog;
        problems.push(Problem { kind, entity: None, pack: None, detail });
    }
    Ok(())
}

/// The finding for an index that is too damaged to be read. Any other error stays one.
fn unreadable(error: Error) -> Result<Problem> {
    match error {
        Error::Damage(DamageError::DamagedCatalog { reason: detail, .. }) => {
            Ok(Problem { kind: ProblemKind::DamagedCatalog, entity: None, pack: None, detail })
        }
        error => Err(error),
    }
}

fn finding(
    kind: ProblemKind,
    row: &IndexRow,
    pack: Option<MpackKey>,
    detail: impl Into<String>,
) -> Problem {
    let entity = entity_of(&row.entity).map(|(kind, id)| format!("{kind} {id}"));
    Problem { kind, entity, pack, detail: detail.into() }
}

/// The counts of a shelf are those of what the index maps to it.
fn verify_shelf(shelf: &Shelf, mapped: &Mapped, problems: &mut Vec<Problem>) {
    let mut problem = |what: &str, counted: u64, found: u64| {
        problems.push(Problem {
            kind: ProblemKind::DamagedCatalog,
            entity: None,
            pack: Some(shelf.pack.key),
            detail: format!(
                "the catalog counts {counted} {what} on the shelf of this pack, but maps {found}; run verify with --repair, or restore the catalog from a backup"
            ),
        });
    };
    if mapped.entities != shelf.mapped {
        problem("entities", shelf.mapped.total(), mapped.entities.total());
    }
    // Where a pack or a record is lost, that is the finding.
    if mapped.measured == mapped.entities.total()
        && let Some(counted) = shelf.mapped_bytes
        && counted != mapped.bytes
    {
        problem("bytes", counted, mapped.bytes);
    }
}

/// Checks that every row of the index is in its pack, and that every record of a pack is in the
/// index. Returns what each shelf maps.
async fn verify_index(
    snapshot: &mut dyn Snapshot,
    shelves: &BTreeMap<ShelfId, &PackRow>,
    contents: &BTreeMap<i64, Contents>,
    problems: &mut Vec<Problem>,
) -> Result<BTreeMap<ShelfId, Mapped>> {
    let mut mapped: BTreeMap<ShelfId, Mapped> = BTreeMap::new();
    let mut known: Vec<EntityKey> = Vec::new();
    loop {
        let page = snapshot.index_page(known.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for (row, shelf) in page {
            known.push(row.entity);
            if let Some((kind, _)) = entity_of(&row.entity) {
                *mapped.entry(shelf).or_default().entities.of(kind) += 1;
            }
            let Some(pack) = shelves.get(&shelf) else {
                let detail = format!(
                    "the index maps it to shelf {}, which does not exist; run verify with --repair, or restore the catalog from a backup",
                    shelf.0
                );
                problems.push(finding(ProblemKind::DamagedCatalog, &row, None, detail));
                continue;
            };
            // A pack that could not be read is one finding, not one an entity.
            let Some(found) = contents.get(&pack.id) else { continue };
            if let Ok(at) = found.entities.binary_search_by_key(&row, |(row, _)| *row) {
                let mapped = mapped.entry(shelf).or_default();
                mapped.bytes += found.entities[at].1;
                mapped.measured += 1;
            } else {
                let detail = "the index maps it to this pack, which does not have it in this encoding; restore the catalog from a backup";
                problems.push(finding(ProblemKind::LostEntity, &row, Some(pack.key), detail));
            }
        }
    }
    let packs: BTreeMap<i64, MpackKey> = shelves.values().map(|p| (p.id, p.key)).collect();
    for (pack, found) in contents {
        for (row, _) in
            found.entities.iter().filter(|(row, _)| known.binary_search(&row.entity).is_err())
        {
            let detail = "it is in this pack, but not in the index; run verify with --repair, or restore the catalog from a backup";
            problems.push(finding(
                ProblemKind::UnindexedEntity,
                row,
                packs.get(pack).copied(),
                detail,
            ));
        }
    }
    Ok(mapped)
}

/// Every branch has a name that clients can keep.
async fn verify_branches(snapshot: &mut dyn Snapshot, problems: &mut Vec<Problem>) -> Result<()> {
    let heads = snapshot.heads().await?;
    let row = snapshot.repo();
    let unusable =
        unusable(heads.iter().map(|head| head.branch.as_str()), row.default_branch.as_deref());
    problems.extend(unusable.into_iter().map(|(branch, fault)| Problem {
        kind: ProblemKind::BadBranchName,
        entity: Some(format!("branch {branch}")),
        pack: None,
        detail: format!(
            "branch `{0}` is hidden from clients: {fault}. Push its head to another branch, then: packhouse branch delete {1} '{0}'",
            escaped(branch),
            row.name
        ),
    }));
    Ok(())
}

/// The graph that the catalog walks is the one that the records say.
async fn verify_edges(
    snapshot: &mut dyn Snapshot,
    edges: &[Edges],
    problems: &mut Vec<Problem>,
) -> Result<()> {
    for chunk in edges.chunks(MAX_ITEMS as usize) {
        let ids: Vec<_> = chunk.iter().map(|e| e.commit).collect();
        let found = snapshot.history(&ids, MAX_ITEMS).await?;
        let known: BTreeMap<_, _> =
            found.into_iter().map(|one| (one.edges.commit, one.edges)).collect();
        for expected in chunk {
            let same = known.get(&expected.commit).is_some_and(|found| {
                found.snapshot == expected.snapshot && found.parents().eq(expected.parents())
            });
            if !same {
                problems.push(Problem {
                    kind: ProblemKind::DamagedCatalog,
                    entity: Some(format!("commit {}", expected.commit)),
                    pack: None,
                    detail: "the catalog's graph does not match the commit; restore the catalog from a backup".into(),
                });
            }
        }
    }
    Ok(())
}
