//! The proof of a consolidation: the new pack contains what the index maps, and nothing else.
//!
//! It has two parts, so that directories, index and read-back are never in memory together (law 9).
//! Before anything is written, the rows that the plan copies are compared with the index, which is
//! read page by page ([`PlannedRows`]). What was read back is compared with the digest of these rows
//! ([`prove`]).

use std::sync::Arc;

use packhouse_catalog::{EntityKey, IndexRow, entity_key, entity_of};
use packhouse_core::{Head, Plan, Row};
use packhouse_model::digest::finish;
use packhouse_model::report::GcProof;
use packhouse_pack::WrittenPack;
use packhouse_run::RunPack;
use ring::digest::{Context, SHA256};

use super::{ProofError, copied_rows, same_form, wrong};

/// SHA-256 of rows of a pack, in their order.
pub(crate) type RowsDigest = [u8; 32];

/// The rows that a plan copies, by entity. A page of the index after the other is compared with them.
pub(crate) struct PlannedRows {
    packs: Arc<Vec<RunPack>>,
    rows: Vec<PlannedRow>,
    /// Rows before this one were compared.
    next: usize,
    digest: RowsDigest,
}

/// A row that a plan copies: the beginning of its entity's key, its pack, its number there.
#[derive(Clone, Copy)]
struct PlannedRow {
    lead: u64,
    pack: u32,
    number: u32,
}

impl PlannedRow {
    fn index_row(self, packs: &[RunPack]) -> Option<IndexRow> {
        let row = packs.get(self.pack as usize)?.directory.row(self.number.into())?;
        Some(IndexRow::of(&row))
    }
}

impl PlannedRows {
    /// The rows of a plan that was admitted.
    pub(crate) fn of(plan: &Plan, packs: Arc<Vec<RunPack>>) -> PlannedRows {
        let mut rows = Vec::with_capacity(plan.records.total() as usize);
        let mut digest = Context::new(&SHA256);
        for (at, pack, number, row) in copied_rows(plan, &packs) {
            add(&mut digest, &Row { offset: at, ..row });
            let lead = lead(&entity_key(row.kind, row.id));
            // A directory has no more rows than that.
            rows.push(PlannedRow { lead, pack, number: number as u32 });
        }
        rows.sort_unstable_by(|a, b| {
            a.lead.cmp(&b.lead).then_with(|| a.index_row(&packs).cmp(&b.index_row(&packs)))
        });
        PlannedRows { packs, rows, next: 0, digest: finish(digest) }
    }

    /// Compares the next rows of the index, in order: each entity is copied once, in the encoding
    /// that is mapped, and no other is.
    pub(crate) fn compare(&mut self, page: &[IndexRow]) -> Result<(), ProofError> {
        for row in page {
            match self.peek() {
                Some(found) if found == *row => self.next += 1,
                Some(found) if found.entity == row.entity => {
                    return wrong(format!("{} has another encoding than in the index", name(row)));
                }
                Some(found) if found.entity < row.entity => return extra(&found),
                _ => return wrong(format!("{} is missing", name(row))),
            }
        }
        Ok(())
    }

    /// Ends the comparison: nothing else is copied. Gives how many entities were found, and the
    /// digest of the rows as they must be in the new pack.
    pub(crate) fn end(self) -> Result<(u64, RowsDigest), ProofError> {
        match self.peek() {
            Some(found) => extra(&found),
            None => Ok((self.next as u64, self.digest)),
        }
    }

    fn peek(&self) -> Option<IndexRow> {
        self.rows.get(self.next)?.index_row(&self.packs)
    }
}

fn extra<T>(row: &IndexRow) -> Result<T, ProofError> {
    wrong(format!("{} is there twice, or not in the index", name(row)))
}

fn name(row: &IndexRow) -> String {
    match entity_of(&row.entity) {
        Some((kind, id)) => format!("{kind} {id}"),
        None => "an entity".into(),
    }
}

/// The first bytes of a key: order as keys do.
fn lead(key: &EntityKey) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| key[i]))
}

fn add(digest: &mut Context, row: &Row) {
    digest.update(&row.encode());
}

/// The digest of rows.
pub(crate) fn digest_of(rows: &[Row]) -> RowsDigest {
    let mut digest = Context::new(&SHA256);
    rows.iter().for_each(|row| add(&mut digest, row));
    finish(digest)
}

/// The whole proof of what was read back, whose rows have the digest of the planned ones.
/// `entities` were compared with the index; `sources_hashed` is what was verified of the sources
/// in parallel.
pub(crate) fn prove(
    plan: &Plan,
    written: &WrittenPack,
    heads: &[Head],
    entities: u64,
    sources_hashed: u64,
) -> Result<GcProof, ProofError> {
    let scanned = &written.scanned;
    same_form(plan, scanned, heads)?;
    if scanned.bytes != written.bytes {
        return wrong(format!(
            "{} bytes were read back, but {} were hashed",
            scanned.bytes, written.bytes
        ));
    }
    Ok(GcProof {
        entities,
        records: scanned.rows.len() as u64,
        objects_hashed: scanned.objects_hashed,
        bytes_read_back: scanned.bytes,
        sources_hashed,
    })
}
