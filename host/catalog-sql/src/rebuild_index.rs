//! Replaces the whole index of a repo, in one transaction.

use packhouse_catalog::{IndexedEntity, PublishOutcome, RebuiltIndex};
use packhouse_model::names::ShelfId;
use packhouse_model::report::Cause;

use super::deltas::{self, Deltas};
use super::engine::{Columns, Engine, Sql, SqlResult, Writing, args};
use super::index::{self, Change};
use super::publish::has_lease;
use super::sums;

/// Puts one run in place of all, and counts again what is mapped to shelves. Compares first.
pub(super) async fn rebuild<E: Engine>(
    tx: &mut Writing<E>,
    index: &RebuiltIndex,
) -> SqlResult<PublishOutcome> {
    let repo = index.repo.id;
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    if !has_lease::<E>(tx, index.fence).await? {
        return Ok(PublishOutcome::LeaseLost);
    }
    let shelves = "SELECT id, generation FROM shelves WHERE repo = $1 ORDER BY id";
    let standing = tx.all(shelves, args![repo]).await?;
    let standing = standing.iter().map(|row| (ShelfId(row.int("id")), row.int("generation")));
    if !standing.eq(index.shelves.iter().copied()) {
        return Ok(PublishOutcome::Changed);
    }
    let current = "UPDATE repos SET revision = revision + 1
         WHERE id = $1 AND revision = $2 AND deleted_at IS NULL";
    let mut rows = tx.run(current, args![repo, index.repo.revision]).await?;
    if rows == 0 {
        return Ok(PublishOutcome::Changed);
    }
    index::forget::<E>(tx, repo).await?;
    let mut deltas = Deltas::new();
    let row = |one: &IndexedEntity| {
        deltas.entry(one.shelf).or_default().add(&one.row, 1, one.bytes as i64);
        let (key, fingerprint) = (one.row.entity, one.row.fingerprint);
        index::Row { key, change: Change::New(one.shelf), fingerprint }
    };
    let entities = index.entities.iter().map(row).collect();
    rows += index::put::<E>(tx, repo, index.repo.revision + 1, entities).await?;
    let uncounted =
        "UPDATE shelves SET commits = 0, snapshots = 0, objects = 0, tags = 0, mapped_bytes = 0
         WHERE repo = $1";
    tx.run(uncounted, args![repo]).await?;
    let (_, sum) = deltas::put::<E>(tx, deltas).await?;
    let [commits, snapshots, objects, tags] = sum.by_column();
    rows += tx
        .run(
            "UPDATE repos SET commits = $2, snapshots = $3, objects = $4, tags = $5, needed_bytes = $6
             WHERE id = $1",
            args![repo, commits, snapshots, objects, tags, sum.bytes],
        )
        .await?;
    let mapped = sums::recount_packs::<E>(tx, repo).await?;
    sums::put_change::<E>(tx, repo, Cause::Push, &index.now.to_string(), mapped).await?;
    Ok(PublishOutcome::Done { rows: rows + 1 + index.shelves.len() as u64 })
}
