//! The two transactions that make something visible. Each compares before it writes.

use std::collections::BTreeMap;

use packhouse_core::row::Print;
use packhouse_core::{EntityId, Kind};
use sqlx::sqlite::SqlitePool;
use sqlx::{Row, Sqlite, Transaction};

use super::super::{Consolidation, IndexRow, Published, Push, PushedPack};
use super::sums;
use crate::names::{MpackKey, ShelfId};
use crate::report::Cause;

/// Values that one statement unpacks.
pub(super) const BATCH: usize = 32_768;

pub(super) type Tx = Transaction<'static, Sqlite>;

/// How what the index maps to shelves changes.
type Deltas = BTreeMap<ShelfId, Delta>;

/// How what the index maps to one shelf, or to all of a repo, changes.
#[derive(Clone, Copy, Default)]
pub(super) struct Delta {
    /// Entities, by kind.
    pub(super) entities: [i64; 4],
    /// Bytes of their records.
    pub(super) bytes: i64,
}

impl Delta {
    fn add(&mut self, row: &IndexRow, entities: i64, bytes: i64) {
        self.entities[usize::from(row.entity[0]).min(Kind::Tag as usize)] += entities;
        self.bytes += bytes;
    }
}

/// Publishes a push: shelves, index rows, edges and heads.
pub(super) async fn push(writer: &SqlitePool, push: &Push) -> Result<Published, sqlx::Error> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let mut rows = sqlx::query("UPDATE repos SET revision = revision + 1 WHERE id = ?1 AND revision = ?2")
        .bind(push.repo.id)
        .bind(push.repo.revision)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if rows == 0 {
        return Ok(Published::Changed);
    }
    let now = push.now.to_string();
    let mut deltas = Deltas::new();
    let mut stored = 0;
    for pack in &push.packs {
        let pack_id = put_pack(&mut tx, &pack.key, pack.bytes, pack.records, false, &now).await?;
        if !sums::stores(&mut tx, push.repo.id, pack_id).await? {
            stored += pack.bytes as i64;
        }
        // What was retired and comes again is needed again.
        rows += sqlx::query("DELETE FROM retired WHERE repo = ?1 AND pack = ?2")
            .bind(push.repo.id)
            .bind(pack_id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        let shelf: i64 = sqlx::query_scalar(
            "INSERT INTO shelves (repo, pack, commits, snapshots, objects, tags, mapped_bytes)
             VALUES (?1, ?2, 0, 0, 0, 0, 0) RETURNING id",
        )
        .bind(push.repo.id)
        .bind(pack_id)
        .fetch_one(&mut *tx)
        .await?;
        rows += 2 + put_entities(&mut tx, push.repo.id, ShelfId(shelf), pack, &mut deltas).await?;
        for (id, text) in &pack.tag_ids {
            rows += sqlx::query("INSERT INTO tag_ids (repo, entity, tag_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
                .bind(push.repo.id)
                .bind(&id.to_bytes()[..])
                .bind(text)
                .execute(&mut *tx)
                .await?
                .rows_affected();
        }
    }
    let touched: Vec<ShelfId> = deltas.keys().copied().collect();
    let before = sums::mapped_packs(&mut tx, push.repo.id, &touched).await?;
    let mut sum = Delta::default();
    for (shelf, delta) in deltas {
        sum.entities = std::array::from_fn(|kind| sum.entities[kind] + delta.entities[kind]);
        sum.bytes += delta.bytes;
        // What nobody counted stays uncounted: NULL and a number are NULL.
        rows += sqlx::query(
            "UPDATE shelves SET commits = commits + ?2, snapshots = snapshots + ?3, objects = objects + ?4, tags = tags + ?5,
                    mapped_bytes = mapped_bytes + ?6
             WHERE id = ?1",
        )
        .bind(shelf.0)
        .bind(delta.entities[0])
        .bind(delta.entities[1])
        .bind(delta.entities[2])
        .bind(delta.entities[3])
        .bind(delta.bytes)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    }
    let after = sums::mapped_packs(&mut tx, push.repo.id, &touched).await?;
    let mapped = (after.0 - before.0, after.1 - before.1);
    sums::add(&mut tx, push.repo.id, &sum, mapped, stored).await?;
    sums::put_change(&mut tx, push.repo.id, Cause::Push, &now, mapped).await?;
    rows += 1;
    rows += put_edges(&mut tx, push).await?;
    rows += put_heads(&mut tx, push).await?;
    tx.commit().await?;
    Ok(Published::Done { rows })
}

/// A pack's row. The same bytes in another repo share it.
async fn put_pack(
    tx: &mut Tx,
    key: &MpackKey,
    bytes: u64,
    records: u64,
    consolidated: bool,
    now: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO packs (key, bytes, records, consolidated, stored_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET consolidated = max(consolidated, excluded.consolidated) RETURNING id",
    )
    .bind(&key.digest()[..])
    .bind(bytes as i64)
    .bind(records as i64)
    .bind(consolidated)
    .bind(now)
    .fetch_one(&mut **tx)
    .await
}

/// Entity and print of many rows, 50 bytes each.
fn packed<'a>(rows: impl Iterator<Item = &'a IndexRow>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(&row.entity);
        bytes.extend_from_slice(&row.print);
    }
    bytes
}

async fn put_entities(
    tx: &mut Tx,
    repo: i64,
    shelf: ShelfId,
    pack: &PushedPack,
    deltas: &mut Deltas,
) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for chunk in pack.fresh.chunks(BATCH) {
        let delta = deltas.entry(shelf).or_default();
        chunk.iter().for_each(|fresh| delta.add(&fresh.row, 1, fresh.bytes as i64));
        // OR ROLLBACK: a clash would be a bug, and ends the transaction either way; so no journal of the statement is needed, which
        // would write every page once more.
        changed += sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?4)
             INSERT OR ROLLBACK INTO entities (repo, entity, shelf, print)
             SELECT ?1, substr(?2, 1 + 50 * i, 34), ?3, nullif(substr(?2, 35 + 50 * i, 16), ?5) FROM n",
        )
        .bind(repo)
        .bind(packed(chunk.iter().map(|fresh| &fresh.row)))
        .bind(shelf.0)
        .bind(chunk.len() as i64)
        .bind(&Print::default()[..])
        .execute(&mut **tx)
        .await?
        .rows_affected();
    }
    for chunk in pack.moved.chunks(BATCH) {
        for moved in chunk {
            deltas.entry(shelf).or_default().add(&moved.row, 1, moved.bytes as i64);
            deltas.entry(moved.from).or_default().add(&moved.row, -1, -(moved.bytes_there as i64));
        }
        changed += sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?4),
                moved (entity, print) AS MATERIALIZED (
                    SELECT substr(?2, 1 + 50 * i, 34), nullif(substr(?2, 35 + 50 * i, 16), ?5) FROM n)
             UPDATE entities SET shelf = ?3, print = moved.print FROM moved
             WHERE entities.repo = ?1 AND entities.entity = moved.entity",
        )
        .bind(repo)
        .bind(packed(chunk.iter().map(|moved| &moved.row)))
        .bind(shelf.0)
        .bind(chunk.len() as i64)
        .bind(&Print::default()[..])
        .execute(&mut **tx)
        .await?
        .rows_affected();
    }
    Ok(changed)
}

async fn put_edges(tx: &mut Tx, push: &Push) -> Result<u64, sqlx::Error> {
    const NONE: [u8; EntityId::BYTES] = [0xff; EntityId::BYTES];
    let mut changed = 0;
    for chunk in push.edges.chunks(BATCH / 4) {
        let mut bytes = Vec::with_capacity(chunk.len() * 4 * EntityId::BYTES);
        for edges in chunk {
            for id in [Some(edges.commit), edges.parents[0], edges.parents[1], edges.snapshot] {
                bytes.extend_from_slice(&id.map_or(NONE, EntityId::to_bytes));
            }
        }
        changed += sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3)
             INSERT INTO commits (repo, id, parent1, parent2, snapshot)
             SELECT ?1, substr(?2, 1 + 132 * i, 33), nullif(substr(?2, 34 + 132 * i, 33), ?4),
                    nullif(substr(?2, 67 + 132 * i, 33), ?4), nullif(substr(?2, 100 + 132 * i, 33), ?4)
             FROM n WHERE true ON CONFLICT DO NOTHING",
        )
        .bind(push.repo.id)
        .bind(bytes)
        .bind(chunk.len() as i64)
        .bind(&NONE[..])
        .execute(&mut **tx)
        .await?
        .rows_affected();
    }
    Ok(changed)
}

async fn put_heads(tx: &mut Tx, push: &Push) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for head in &push.heads {
        changed += sqlx::query(
            "INSERT INTO branches (repo, name, head) VALUES (?1, ?2, ?3)
             ON CONFLICT (repo, name) DO UPDATE SET head = excluded.head WHERE head <> excluded.head",
        )
        .bind(push.repo.id)
        .bind(&head.branch)
        .bind(&head.commit.to_bytes()[..])
        .execute(&mut **tx)
        .await?
        .rows_affected();
    }
    // The first branch ever pushed is the default; of several at once `main`, else the first by name.
    let first = push.heads.iter().find(|h| h.branch == "main").or(push.heads.first());
    if let (None, Some(first)) = (&push.repo.default_branch, first) {
        changed += sqlx::query("UPDATE repos SET default_branch = ?2 WHERE id = ?1 AND default_branch IS NULL")
            .bind(push.repo.id)
            .bind(&first.branch)
            .execute(&mut **tx)
            .await?
            .rows_affected();
    }
    Ok(changed)
}

/// Publishes a consolidation: a pack's row, and the `pack` of each shelf that it was planned from.
pub(super) async fn consolidation(writer: &SqlitePool, done: &Consolidation) -> Result<Published, sqlx::Error> {
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let newest = done.planned.iter().map(|(shelf, _)| shelf.0).max().unwrap_or(0);
    // Shelves are numbered in the order in which pushes made them: later ones are not ours to touch.
    let found: Vec<(ShelfId, i64)> = sqlx::query("SELECT id, generation FROM shelves WHERE repo = ?1 AND id <= ?2 ORDER BY id")
        .bind(done.repo.id)
        .bind(newest)
        .fetch_all(&mut *tx)
        .await?
        .iter()
        .map(|row| (ShelfId(row.get(0)), row.get(1)))
        .collect();
    if found != done.planned {
        return Ok(Published::Changed);
    }
    let now = done.now.to_string();
    let pack = put_pack(&mut tx, &done.key, done.bytes, done.records, true, &now).await?;
    // Tombstones first: packs of the planned shelves that no later shelf of the repo holds as well.
    let mut rows = 1 + sqlx::query(
        "INSERT INTO retired (repo, pack, retired_at)
         SELECT DISTINCT ?1, pack, ?4 FROM shelves s WHERE repo = ?1 AND id <= ?2 AND pack <> ?3
         AND NOT EXISTS (SELECT 1 FROM shelves later WHERE later.repo = ?1 AND later.id > ?2 AND later.pack = s.pack)
         ON CONFLICT (repo, pack) DO UPDATE SET retired_at = excluded.retired_at",
    )
    .bind(done.repo.id)
    .bind(newest)
    .bind(pack)
    .bind(&now)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    rows += sqlx::query("DELETE FROM retired WHERE repo = ?1 AND pack = ?2")
        .bind(done.repo.id)
        .bind(pack)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    rows += sqlx::query("UPDATE shelves SET pack = ?3, generation = generation + 1 WHERE repo = ?1 AND id <= ?2")
        .bind(done.repo.id)
        .bind(newest)
        .bind(pack)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    let mapped = sums::recount_packs(&mut tx, done.repo.id).await?;
    sums::put_change(&mut tx, done.repo.id, Cause::Consolidation, &now, mapped).await?;
    rows += 2;
    tx.commit().await?;
    Ok(Published::Done { rows })
}
