//! The two transactions that make something visible. Each compares before it writes; the caller
//! begins and ends it.

use std::collections::BTreeSet;

use packhouse_catalog::{
    Consolidation, DroppedEntity, ENTITY_BYTES, Fence, IndexRow, PublishOutcome, Push, PushedPack,
};
use packhouse_core::Kind;
use packhouse_core::row::Fingerprint;
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::report::Cause;

use super::deltas::Deltas;
use super::engine::{BATCH, Columns, Engine, Sql, SqlResult, Writing, args, numbers};
use super::index::{self, Change};
use super::{complete, deltas, freshen, graph, heads, sums};

/// Whether a job is still assigned to the worker that took it. It stays assigned until the
/// transaction ends.
pub(super) async fn has_lease<E: Engine>(
    tx: &mut Writing<E>,
    fence: Option<Fence>,
) -> SqlResult<bool> {
    match fence {
        None => Ok(true),
        Some(fence) => Ok(tx.maybe(E::LOCK_LEASE, args![fence.job, fence.number]).await?.is_some()),
    }
}

/// Publishes a push: shelves, index rows, edges and heads.
pub(super) async fn push<E: Engine>(tx: &mut Writing<E>, push: &Push) -> SqlResult<PublishOutcome> {
    let (repo, now) = (push.repo.id, push.now.to_string());
    // The repo before the job, in the same order as when a repo is deleted; and nothing is written
    // before all is compared.
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    if !has_lease::<E>(tx, push.fence).await? {
        return Ok(PublishOutcome::LeaseLost);
    }
    let mut rows = tx
        .run(
            "UPDATE repos SET revision = revision + 1 WHERE id = $1 AND revision = $2",
            args![repo, push.repo.revision],
        )
        .await?;
    if rows == 0 {
        return Ok(PublishOutcome::Changed);
    }
    let (mut deltas, mut indexed) = (Deltas::new(), Vec::new());
    let mut stored = 0;
    // In their order, by which packs are listed. Two repos that are pushed the same packs in
    // another order may wait for each other's rows: then one of them is done again.
    for pack in &push.packs {
        let pack_id = put_pack::<E>(tx, &pack.key, pack.bytes, pack.records, false, &now).await?;
        if !sums::stores::<E>(tx, repo, pack_id).await? {
            stored += pack.bytes as i64;
        }
        // A retired pack that is pushed again is needed again.
        rows += tx
            .run("DELETE FROM retired WHERE repo = $1 AND pack = $2", args![repo, pack_id])
            .await?;
        let shelf = tx
            .one(
                "INSERT INTO shelves (repo, pack, commits, snapshots, objects, tags, mapped_bytes, made_at)
                 VALUES ($1, $2, 0, 0, 0, 0, 0, $3) RETURNING id",
                args![repo, pack_id, &now],
            )
            .await?;
        indexed.extend(index_rows(ShelfId(shelf.int("id")), pack, &mut deltas));
        rows += 2 + graph::put_tags::<E>(tx, repo, &pack.tags).await?;
        if let Some(complete) = &push.complete {
            rows += complete::put::<E>(tx, repo, pack_id, complete).await?;
        }
    }
    rows += index::put::<E>(tx, repo, push.repo.revision + 1, indexed).await?;
    let touched: Vec<ShelfId> = deltas.keys().copied().collect();
    let before = sums::mapped_packs::<E>(tx, repo, &touched).await?;
    let (changed, sum) = deltas::put::<E>(tx, deltas).await?;
    let after = sums::mapped_packs::<E>(tx, repo, &touched).await?;
    let mapped = (after.0 - before.0, after.1 - before.1);
    sums::add::<E>(tx, repo, &sum, mapped, stored).await?;
    sums::put_change::<E>(tx, repo, Cause::Push, &now, mapped).await?;
    rows += 1 + changed + drop_broken::<E>(tx, repo, &push.broken, &now).await?;
    rows += graph::put_edges::<E>(tx, push).await?;
    rows += heads::put_heads::<E>(tx, push, &now).await?;
    rows += freshen::put::<E>(tx, repo, &push.known, push.now).await?;
    Ok(PublishOutcome::Done { rows })
}

/// Removes those of some shelves to which nothing is mapped, and retires their packs. Returns the
/// number of changed rows.
async fn drop_broken<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    broken: &[ShelfId],
    now: &str,
) -> SqlResult<u64> {
    let mut changed = 0;
    for shelf in broken {
        changed += tx
            .run(
                "INSERT INTO retired (repo, pack, retired_at)
                 SELECT repo, pack, $3 FROM shelves s
                   WHERE repo = $1 AND id = $2 AND commits + snapshots + objects + tags = 0
                 AND NOT EXISTS (SELECT 1 FROM shelves other
                   WHERE other.repo = $1 AND other.pack = s.pack AND other.id <> $2)
                 ON CONFLICT (repo, pack) DO UPDATE SET retired_at = excluded.retired_at",
                args![repo, shelf.0, now],
            )
            .await?;
        changed += tx
            .run(
                "DELETE FROM shelves WHERE repo = $1 AND id = $2
                  AND commits + snapshots + objects + tags = 0",
                args![repo, shelf.0],
            )
            .await?;
    }
    Ok(changed)
}

/// A pack's row. Repos share it when their packs have the same bytes. The pack was read and hashed
/// before publishing: it is intact now.
async fn put_pack<E: Engine>(
    tx: &mut Writing<E>,
    key: &MpackKey,
    bytes: u64,
    records: u64,
    consolidated: bool,
    now: &str,
) -> SqlResult<i64> {
    let row = tx
        .one(
            "INSERT INTO packs (key, bytes, records, consolidated, stored_at, verified_at)
              VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (key) DO UPDATE
             SET consolidated = CASE WHEN packs.consolidated > excluded.consolidated
               THEN packs.consolidated ELSE excluded.consolidated END,
                 verified_at = excluded.verified_at
             RETURNING id",
            args![&key.digest()[..], bytes, records, i64::from(consolidated), now],
        )
        .await?;
    let id = row.int("id");
    tx.run("DELETE FROM damaged_packs WHERE pack = $1", args![id]).await?;
    Ok(id)
}

/// The rows of the index that a pack of a push changes; counts them.
fn index_rows(
    shelf: ShelfId,
    pack: &PushedPack,
    deltas: &mut Deltas,
) -> impl Iterator<Item = index::Row> {
    let delta = deltas.entry(shelf).or_default();
    pack.fresh.iter().for_each(|fresh| delta.add(&fresh.row, 1, fresh.bytes as i64));
    for moved in &pack.moved {
        deltas.entry(shelf).or_default().add(&moved.row, 1, moved.bytes as i64);
        deltas.entry(moved.from).or_default().add(&moved.row, -1, -(moved.bytes_there as i64));
    }
    let row = |row: &IndexRow, change| index::Row {
        key: row.entity,
        change,
        fingerprint: row.fingerprint,
    };
    let fresh = pack.fresh.iter().map(move |fresh| row(&fresh.row, Change::New(shelf)));
    fresh.chain(pack.moved.iter().map(move |moved| row(&moved.row, Change::Replaces(shelf))))
}

/// Removes entities, and everything that was recorded about them.
async fn drop_entities<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    age: i64,
    dropped: &[DroppedEntity],
) -> SqlResult<u64> {
    let fingerprint = Fingerprint::default();
    let row =
        |one: &DroppedEntity| index::Row { key: one.entity, change: Change::Dropped, fingerprint };
    let mut changed = index::put::<E>(tx, repo, age, dropped.iter().map(row).collect()).await?;
    let mut deltas = Deltas::new();
    for chunk in dropped.chunks(BATCH) {
        let mut bytes = Vec::with_capacity(chunk.len() * ENTITY_BYTES);
        for one in chunk {
            bytes.extend_from_slice(&one.entity);
            let row = IndexRow { entity: one.entity, fingerprint };
            deltas.entry(one.shelf).or_default().add(&row, -1, -(one.bytes as i64));
        }
        changed += tx.run(E::DROP_FRESHENED, args![repo, &bytes, chunk.len()]).await?;
        // The ids follow the kind.
        let commits = [Kind::Commit as u8];
        changed += tx.run(E::DROP_COMMITS, args![repo, &bytes, chunk.len(), &commits[..]]).await?;
    }
    let (counted, sum) = deltas::put::<E>(tx, deltas).await?;
    sums::add::<E>(tx, repo, &sum, (0, 0), 0).await?;
    Ok(changed + counted)
}

/// Publishes a consolidation: a pack's row, and the `pack` of each shelf that it was planned from.
pub(super) async fn consolidation<E: Engine>(
    tx: &mut Writing<E>,
    done: &Consolidation,
) -> SqlResult<PublishOutcome> {
    let repo = done.repo.id;
    let row = tx.maybe(E::LOCK_REPO, args![repo]).await?;
    if !has_lease::<E>(tx, done.fence).await? {
        return Ok(PublishOutcome::LeaseLost);
    }
    // A deleted repo keeps its shelves: it may be restored.
    if row.is_none_or(|row| row.maybe_text("deleted_at").is_some()) {
        return Ok(PublishOutcome::Changed);
    }
    let shelves = numbers(done.planned.iter().map(|(shelf, _)| shelf.0));
    let found = tx.all(E::PLANNED_SHELVES, args![repo, &shelves, done.planned.len()]).await?;
    let standing = found.iter().map(|row| (ShelfId(row.int("id")), row.int("generation")));
    if !standing.eq(done.planned.iter().copied()) {
        return Ok(PublishOutcome::Changed);
    }
    if !done.dropped.is_empty() {
        // One of these was reported to a client as present since then, and the client relies on it.
        // Entities that are kept are kept with everything that they reach.
        if freshen::touches::<E>(tx, &done.repo, done.dropped.iter().map(|dropped| dropped.entity))
            .await?
        {
            return Ok(PublishOutcome::Changed);
        }
        // A push since then may reach dropped entities, and a push in preparation may rely on them.
        let current = "UPDATE repos SET revision = revision + 1, drops = drops + 1
          WHERE id = $1 AND revision = $2";
        if tx.run(current, args![repo, done.repo.revision]).await? == 0 {
            return Ok(PublishOutcome::Changed);
        }
    }
    let now = done.now.to_string();
    let pack = put_pack::<E>(tx, &done.key, done.bytes, done.records, true, &now).await?;
    let mut rows =
        1 + tx.run(E::PUT_ON_SHELVES, args![repo, &shelves, done.planned.len(), pack]).await?;
    let replaced: BTreeSet<i64> = found.iter().map(|row| row.int("pack")).collect();
    let packs = numbers(replaced.iter().copied());
    rows += tx.run(E::RETIRE_PACKS, args![repo, &packs, replaced.len(), &now]).await?;
    rows += tx.run("DELETE FROM retired WHERE repo = $1 AND pack = $2", args![repo, pack]).await?;
    if !done.dropped.is_empty() {
        rows += drop_entities::<E>(tx, repo, done.repo.revision + 1, &done.dropped).await?;
        rows += tx.run("UPDATE retired SET partial = 1 WHERE repo = $1", args![repo]).await?;
    }
    rows += match &done.complete {
        Some(found) => complete::put::<E>(tx, repo, pack, found).await?,
        None => complete::forget_replaced::<E>(tx, repo).await?,
    };
    let mapped = sums::recount_packs::<E>(tx, repo).await?;
    sums::put_change::<E>(tx, repo, Cause::Consolidation, &now, mapped).await?;
    rows += 2;
    Ok(PublishOutcome::Done { rows })
}
