//! How what the index maps to shelves changes in a publication.

use std::collections::BTreeMap;

use packhouse_catalog::IndexRow;
use packhouse_core::Kind;
use packhouse_model::names::ShelfId;

use super::engine::{Engine, SqlResult, Writing, args};

/// The changes of what the index maps to shelves.
pub(super) type Deltas = BTreeMap<ShelfId, Delta>;

/// The change of what the index maps to one shelf, or to all shelves of a repo.
#[derive(Clone, Copy, Default)]
pub(super) struct Delta {
    /// Entities, by kind.
    pub(super) entities: [i64; 4],
    /// Bytes of their records.
    pub(super) bytes: i64,
}

impl Delta {
    /// In the order of the columns: commits, snapshots, objects, tags.
    pub(super) fn by_column(&self) -> [i64; 4] {
        self.entities
    }

    pub(super) fn add(&mut self, row: &IndexRow, entities: i64, bytes: i64) {
        self.entities[usize::from(row.entity[0]).min(Kind::Tag as usize)] += entities;
        self.bytes += bytes;
    }
}

/// Updates the counts of shelves. Returns the number of changed shelves, and the sum of the
/// changes.
pub(super) async fn put<E: Engine>(tx: &mut Writing<E>, deltas: Deltas) -> SqlResult<(u64, Delta)> {
    let (mut changed, mut sum) = (0, Delta::default());
    for (shelf, delta) in deltas {
        let [commits, snapshots, objects, tags] = delta.by_column();
        sum.entities = std::array::from_fn(|kind| sum.entities[kind] + delta.entities[kind]);
        sum.bytes += delta.bytes;
        // Uncounted sums stay uncounted: NULL plus a number is NULL.
        changed += tx
            .run(
                "UPDATE shelves SET commits = commits + $2, snapshots = snapshots + $3,
                        objects = objects + $4, tags = tags + $5,
                        mapped_bytes = mapped_bytes + $6
                 WHERE id = $1",
                args![shelf.0, commits, snapshots, objects, tags, delta.bytes],
            )
            .await?;
    }
    Ok((changed, sum))
}
