//! A repo's shelves, added up, and by how much each publication changes them. Counted in the transaction that publishes, so the
//! numbers are exact, whatever pushes and consolidations do at once.

use std::path::Path;

use packhouse_core::Counts;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::Sums;
use super::damaged_row;
use super::publish::{Delta, Tx};
use crate::error::Result;
use crate::names::ShelfId;
use crate::report::Cause;

type SqlResult<T> = std::result::Result<T, sqlx::Error>;

/// Packs that the index maps something to, and their bytes; or by how much they change.
pub(super) type Mapped = (i64, i64);

/// Reads the sums of a row of `repos`.
pub(super) fn read_sums(path: &Path, row: &SqliteRow) -> Result<Sums> {
    let number = |name: &str| u64::try_from(row.get::<i64, _>(name)).map_err(|_| damaged_row(path, "a sum of `repos`"));
    Ok(Sums {
        packs: number("packs")?,
        mapped: Counts {
            commits: number("commits")?,
            snapshots: number("snapshots")?,
            objects: number("objects")?,
            tags: number("tags")?,
        },
        bytes: number("bytes")?,
        needed_bytes: row.get::<Option<i64>, _>("needed_bytes").map(|_| number("needed_bytes")).transpose()?,
        stored_bytes: number("stored_bytes")?,
    })
}

/// Of the packs on some shelves, those that the index of the repo maps something to: on these shelves or on others.
pub(super) async fn mapped_packs(tx: &mut Tx, repo: i64, shelves: &[ShelfId]) -> SqlResult<Mapped> {
    let numbers: Vec<String> = shelves.iter().map(|s| s.0.to_string()).collect();
    let row = sqlx::query(
        "SELECT count(*), coalesce(sum(p.bytes), 0) FROM packs p
         WHERE p.id IN (SELECT pack FROM shelves WHERE id IN (SELECT value FROM json_each(?2)))
         AND EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id AND s.repo = ?1
                     AND s.commits + s.snapshots + s.objects + s.tags > 0)",
    )
    .bind(repo)
    .bind(format!("[{}]", numbers.join(",")))
    .fetch_one(&mut **tx)
    .await?;
    Ok((row.get(0), row.get(1)))
}

/// Whether a pack is on a shelf of the repo, or was and waits for deletion.
pub(super) async fn stores(tx: &mut Tx, repo: i64, pack: i64) -> SqlResult<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM shelves WHERE pack = ?2 AND repo = ?1)
             OR EXISTS (SELECT 1 FROM retired WHERE repo = ?1 AND pack = ?2)",
    )
    .bind(repo)
    .bind(pack)
    .fetch_one(&mut **tx)
    .await
}

/// Adds what a push has changed.
pub(super) async fn add(tx: &mut Tx, repo: i64, delta: &Delta, mapped: Mapped, stored: i64) -> SqlResult<()> {
    sqlx::query(
        "UPDATE repos SET packs = packs + ?2, bytes = bytes + ?3, commits = commits + ?4, snapshots = snapshots + ?5,
                objects = objects + ?6, tags = tags + ?7, needed_bytes = needed_bytes + ?8, stored_bytes = stored_bytes + ?9
         WHERE id = ?1",
    )
    .bind(repo)
    .bind(mapped.0)
    .bind(mapped.1)
    .bind(delta.entities[0])
    .bind(delta.entities[1])
    .bind(delta.entities[2])
    .bind(delta.entities[3])
    .bind(delta.bytes)
    .bind(stored)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Adds up the packs of a repo anew, which a consolidation changes; entities stay. Gives by how much the mapped packs have changed.
pub(super) async fn recount_packs(tx: &mut Tx, repo: i64) -> SqlResult<Mapped> {
    let before = sqlx::query("SELECT packs, bytes FROM repos WHERE id = ?1").bind(repo).fetch_one(&mut **tx).await?;
    let after = sqlx::query(
        "UPDATE repos SET
            (packs, bytes, stored_bytes) = (
                SELECT coalesce(sum(mapped), 0), coalesce(sum(bytes * mapped), 0), coalesce(sum(bytes), 0)
                FROM (SELECT p.bytes, sum(s.commits + s.snapshots + s.objects + s.tags) > 0 AS mapped
                      FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = ?1 GROUP BY s.pack
                      UNION ALL
                      SELECT p.bytes, 0 FROM retired t JOIN packs p ON p.id = t.pack WHERE t.repo = ?1
                      AND NOT EXISTS (SELECT 1 FROM shelves s WHERE s.pack = t.pack AND s.repo = ?1)))
         WHERE id = ?1 RETURNING packs, bytes",
    )
    .bind(repo)
    .fetch_one(&mut **tx)
    .await?;
    Ok((after.get::<i64, _>(0) - before.get::<i64, _>(0), after.get::<i64, _>(1) - before.get::<i64, _>(1)))
}

/// Remembers by how much a publication has changed the mapped packs.
pub(super) async fn put_change(tx: &mut Tx, repo: i64, cause: Cause, at: &str, mapped: Mapped) -> SqlResult<()> {
    sqlx::query("INSERT INTO changes (repo, at, cause, packs, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(repo)
        .bind(at)
        .bind(cause.as_str())
        .bind(mapped.0)
        .bind(mapped.1)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
