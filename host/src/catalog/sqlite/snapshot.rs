//! One state of a repo: a read transaction that is held open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use packhouse_core::row::Print;
use packhouse_core::{Counts, Edges, EntityId, Head};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::super::{Change, ENTITY_BYTES, EntityKey, IndexRow, PackRow, RepoRow, Retired, Shelf, Snapshot};
use super::{catalog_error, damaged_row, read_repo, read_time};
use crate::error::{Error, Result};
use crate::names::{MpackKey, ShelfId};
use crate::report::Cause;

/// Index rows that come back as one text: a row of sqlx costs more than a row of SQLite.
const TEXT_ROWS: u32 = 8192;

struct SqliteSnapshot {
    path: PathBuf,
    transaction: Transaction<'static, Sqlite>,
    repo: RepoRow,
}

/// Begins to read. The first statement fixes what the snapshot sees.
pub(super) async fn begin(path: &Path, pool: &SqlitePool, repo: i64) -> Result<Box<dyn Snapshot>> {
    let failed = |e: sqlx::Error| catalog_error(path, "beginning to read", &e);
    let mut transaction = pool.begin().await.map_err(failed)?;
    let row = sqlx::query("SELECT * FROM repos WHERE id = ?1").bind(repo).fetch_one(&mut *transaction).await.map_err(failed)?;
    let repo = read_repo(path, &row)?;
    Ok(Box::new(SqliteSnapshot { path: path.to_owned(), transaction, repo }))
}

impl SqliteSnapshot {
    fn failed(path: &Path) -> impl Fn(sqlx::Error) -> Error + '_ {
        move |e| catalog_error(path, "reading it", &e)
    }
}

/// Reads a pack's key.
pub(super) fn read_key(path: &Path, row: &SqliteRow, column: &str) -> Result<MpackKey> {
    let digest = row.get::<&[u8], _>(column).try_into().map_err(|_| damaged_row(path, "a pack's key"))?;
    Ok(MpackKey::new(digest))
}

pub(super) fn read_pack(path: &Path, row: &SqliteRow) -> Result<PackRow> {
    Ok(PackRow {
        id: row.get("pack_id"),
        key: read_key(path, row, "key")?,
        bytes: row.get::<i64, _>("bytes") as u64,
        records: row.get::<i64, _>("records") as u64,
        consolidated: row.get::<i64, _>("consolidated") != 0,
        stored_at: read_time(path, row, "stored_at")?,
    })
}

fn read_id(path: &Path, row: &SqliteRow, column: &str) -> Result<Option<EntityId>> {
    match row.get::<Option<&[u8]>, _>(column) {
        None => Ok(None),
        Some(bytes) => EntityId::from_bytes(bytes).map(Some).ok_or_else(|| damaged_row(path, "an id")),
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn repo(&self) -> &RepoRow {
        &self.repo
    }

    async fn shelves(&mut self) -> Result<Vec<Shelf>> {
        let rows = sqlx::query(
            "SELECT s.id, s.generation, s.commits, s.snapshots, s.objects, s.tags, s.mapped_bytes,
                    p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at
             FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = ?1 ORDER BY s.id",
        )
        .bind(self.repo.id)
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(Self::failed(&self.path))?;
        let count = |row: &SqliteRow, name: &str| row.get::<i64, _>(name) as u64;
        rows.iter()
            .map(|row| {
                Ok(Shelf {
                    id: ShelfId(row.get("id")),
                    generation: row.get("generation"),
                    pack: read_pack(&self.path, row)?,
                    mapped: Counts {
                        commits: count(row, "commits"),
                        snapshots: count(row, "snapshots"),
                        objects: count(row, "objects"),
                        tags: count(row, "tags"),
                    },
                    mapped_bytes: row.get::<Option<i64>, _>("mapped_bytes").map(|bytes| bytes as u64),
                })
            })
            .collect()
    }

    async fn packs_on(&mut self, shelves: &[ShelfId]) -> Result<BTreeMap<ShelfId, PackRow>> {
        let numbers: Vec<String> = shelves.iter().map(|s| s.0.to_string()).collect();
        let rows = sqlx::query(
            "SELECT s.id, p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at
             FROM json_each(?2) n JOIN shelves s ON s.id = n.value AND s.repo = ?1 JOIN packs p ON p.id = s.pack",
        )
        .bind(self.repo.id)
        .bind(format!("[{}]", numbers.join(",")))
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(Self::failed(&self.path))?;
        rows.iter().map(|row| Ok((ShelfId(row.get("id")), read_pack(&self.path, row)?))).collect()
    }

    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            let found: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM packs p WHERE p.key = ?2 AND (
                    EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id AND s.repo = ?1)
                    OR EXISTS (SELECT 1 FROM retired r WHERE r.repo = ?1 AND r.pack = p.id)))",
            )
            .bind(self.repo.id)
            .bind(&key.digest()[..])
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(Self::failed(&self.path))?;
            held.push(found);
        }
        Ok(held)
    }

    async fn retired(&mut self) -> Result<Vec<Retired>> {
        let rows = sqlx::query(
            "SELECT r.retired_at, p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at
             FROM retired r JOIN packs p ON p.id = r.pack WHERE r.repo = ?1 ORDER BY p.key",
        )
        .bind(self.repo.id)
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(Self::failed(&self.path))?;
        rows.iter()
            .map(|row| Ok(Retired { pack: read_pack(&self.path, row)?, at: read_time(&self.path, row, "retired_at")? }))
            .collect()
    }

    async fn changes(&mut self, limit: u32) -> Result<Vec<Change>> {
        let rows = sqlx::query("SELECT at, cause, packs, bytes FROM changes WHERE repo = ?1 ORDER BY id DESC LIMIT ?2")
            .bind(self.repo.id)
            .bind(limit)
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(Self::failed(&self.path))?;
        rows.iter()
            .map(|row| {
                let cause = if row.get::<&str, _>("cause") == Cause::Push.as_str() { Cause::Push } else { Cause::Consolidation };
                let at = read_time(&self.path, row, "at")?;
                Ok(Change { at, cause, packs: row.get("packs"), bytes: row.get("bytes") })
            })
            .collect()
    }

    async fn heads(&mut self) -> Result<Vec<Head>> {
        let rows = sqlx::query("SELECT name, head FROM branches WHERE repo = ?1 ORDER BY name")
            .bind(self.repo.id)
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(Self::failed(&self.path))?;
        rows.iter()
            .map(|row| {
                let commit = read_id(&self.path, row, "head")?.ok_or_else(|| damaged_row(&self.path, "a head"))?;
                Ok(Head { branch: row.get("name"), commit })
            })
            .collect()
    }

    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Edges>> {
        let ids: Vec<u8> = commits.iter().flat_map(|id| id.to_bytes()).collect();
        // A recursive query takes its queue in order: breadth first, and no further than the limit.
        let rows = sqlx::query(
            "WITH RECURSIVE
                n (i) AS (SELECT 0 WHERE ?3 > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3),
                walk (id) AS (
                    SELECT substr(?2, 1 + 33 * i, 33) FROM n
                    UNION
                    SELECT CASE side.n WHEN 1 THEN c.parent1 ELSE c.parent2 END AS parent
                    FROM walk
                    CROSS JOIN commits c ON c.repo = ?1 AND c.id = walk.id
                    CROSS JOIN (SELECT 1 AS n UNION ALL SELECT 2) side
                    WHERE parent IS NOT NULL
                )
             SELECT c.id, c.parent1, c.parent2, c.snapshot
             FROM walk CROSS JOIN commits c ON c.repo = ?1 AND c.id = walk.id LIMIT ?4",
        )
        .bind(self.repo.id)
        .bind(ids)
        .bind(commits.len() as i64)
        .bind(limit)
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(Self::failed(&self.path))?;
        rows.iter()
            .map(|row| {
                Ok(Edges {
                    commit: read_id(&self.path, row, "id")?.ok_or_else(|| damaged_row(&self.path, "a commit"))?,
                    parents: [read_id(&self.path, row, "parent1")?, read_id(&self.path, row, "parent2")?],
                    snapshot: read_id(&self.path, row, "snapshot")?,
                })
            })
            .collect()
    }

    async fn lookup(&mut self, entities: &[EntityKey]) -> Result<Vec<Option<(ShelfId, Print)>>> {
        let mut found = vec![None; entities.len()];
        // Nothing to find in a repo that has nothing: the first push is often the largest.
        for (at, chunk) in entities.chunks(super::publish::BATCH).enumerate() {
            let rows = sqlx::query(
                "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3)
                 SELECT n.i, e.shelf, e.print
                 FROM n CROSS JOIN entities e ON e.repo = ?1 AND e.entity = substr(?2, 1 + 34 * n.i, 34)",
            )
            .bind(self.repo.id)
            .bind(chunk.concat())
            .bind(chunk.len() as i64)
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(Self::failed(&self.path))?;
            for row in rows {
                let print = match row.get::<Option<&[u8]>, _>("print") {
                    None => Print::default(),
                    Some(print) => print.try_into().map_err(|_| damaged_row(&self.path, "a print"))?,
                };
                found[at * super::publish::BATCH + row.get::<i64, _>("i") as usize] = Some((ShelfId(row.get("shelf")), print));
            }
        }
        Ok(found)
    }

    async fn index_page(&mut self, after: Option<&EntityKey>, limit: u32) -> Result<Vec<(IndexRow, ShelfId)>> {
        let text: Option<String> = sqlx::query_scalar(
            "SELECT group_concat(hex(entity) || coalesce(hex(print), '') || ':' || shelf, '\n') FROM (
                SELECT entity, print, shelf FROM entities WHERE repo = ?1 AND entity > ?2 ORDER BY entity LIMIT ?3)",
        )
        .bind(self.repo.id)
        .bind(after.map_or(&[][..], |key| &key[..]))
        .bind(limit.min(TEXT_ROWS))
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(Self::failed(&self.path))?;
        let damaged = || damaged_row(&self.path, "a row of `entities`");
        text.iter()
            .flat_map(|text| text.split('\n'))
            .map(|line| {
                let (bytes, shelf) = line.split_once(':').ok_or_else(damaged)?;
                let (entity, print) = bytes.split_at_checked(2 * ENTITY_BYTES).ok_or_else(damaged)?;
                let mut row = IndexRow { entity: [0; ENTITY_BYTES], print: Print::default() };
                hex::decode_to_slice(entity, &mut row.entity).map_err(|_| damaged())?;
                if !print.is_empty() {
                    hex::decode_to_slice(print, &mut row.print).map_err(|_| damaged())?;
                }
                Ok((row, ShelfId(shelf.parse().map_err(|_| damaged())?)))
            })
            .collect()
    }

    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT tag_id FROM tag_ids WHERE repo = ?1 AND entity = ?2")
            .bind(self.repo.id)
            .bind(&id.to_bytes()[..])
            .fetch_optional(&mut *self.transaction)
            .await
            .map_err(Self::failed(&self.path))
    }

    async fn edge_count(&mut self) -> Result<u64> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM commits WHERE repo = ?1")
            .bind(self.repo.id)
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(Self::failed(&self.path))?;
        Ok(count as u64)
    }
}
