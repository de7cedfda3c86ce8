//! Totals of a repo's shelves, and how each publication changes them. Counted in the transaction
//! that publishes, so the numbers are exact, also with concurrent pushes and consolidations.

use packhouse_model::names::ShelfId;
use packhouse_model::report::Cause;

use super::deltas::Delta;
use super::engine::{Columns, Engine, Sql, SqlResult, Writing, args, numbers};

/// Number and bytes of the packs to which the index maps something; or their change.
pub(super) type Mapped = (i64, i64);

/// Of the packs on some shelves, those to which the index of the repo maps something, on these or
/// other shelves.
pub(super) async fn mapped_packs<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    shelves: &[ShelfId],
) -> SqlResult<Mapped> {
    let row = tx
        .one(
            E::MAPPED_PACKS,
            args![repo, &numbers(shelves.iter().map(|shelf| shelf.0)), shelves.len()],
        )
        .await?;
    Ok((row.int("packs"), row.int("bytes")))
}

/// Whether a pack is on a shelf of the repo, or was, and is pending deletion.
pub(super) async fn stores<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    pack: i64,
) -> SqlResult<bool> {
    let found = tx
        .maybe(
            "SELECT 1 FROM packs p WHERE p.id = $2
             AND (EXISTS (SELECT 1 FROM shelves WHERE pack = $2 AND repo = $1)
                  OR EXISTS (SELECT 1 FROM retired WHERE repo = $1 AND pack = $2))",
            args![repo, pack],
        )
        .await?;
    Ok(found.is_some())
}

/// Adds the changes of a push.
pub(super) async fn add<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    delta: &Delta,
    mapped: Mapped,
    stored: i64,
) -> SqlResult<()> {
    let [commits, snapshots, objects, tags] = delta.by_column();
    tx.run(
        "UPDATE repos SET packs = packs + $2, bytes = bytes + $3, commits = commits + $4,
                snapshots = snapshots + $5,
                objects = objects + $6, tags = tags + $7, needed_bytes = needed_bytes + $8,
                stored_bytes = stored_bytes + $9
         WHERE id = $1",
        args![repo, mapped.0, mapped.1, commits, snapshots, objects, tags, delta.bytes, stored],
    )
    .await?;
    Ok(())
}

/// Computes the totals of a repo's packs again, after a consolidation; entities don't change.
/// Returns the change of the mapped packs.
pub(super) async fn recount_packs<E: Engine>(tx: &mut Writing<E>, repo: i64) -> SqlResult<Mapped> {
    let before = tx.one("SELECT packs, bytes FROM repos WHERE id = $1", args![repo]).await?;
    let after = tx
        .one(
            "UPDATE repos SET
                (packs, bytes, stored_bytes) = (
                    SELECT CAST(coalesce(sum(mapped), 0) AS BIGINT),
                      CAST(coalesce(sum(bytes * mapped), 0) AS BIGINT),
                           CAST(coalesce(sum(bytes), 0) AS BIGINT)
                    FROM (SELECT p.bytes,
                            CASE WHEN sum(s.commits + s.snapshots + s.objects + s.tags) > 0
                              THEN 1 ELSE 0 END AS mapped
                          FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = $1
                            GROUP BY p.id, p.bytes
                          UNION ALL
                          SELECT p.bytes, 0 FROM retired t JOIN packs p ON p.id = t.pack WHERE t.repo = $1
                          AND NOT EXISTS (SELECT 1 FROM shelves s
                            WHERE s.pack = t.pack AND s.repo = $1)) each_once)
             WHERE id = $1 RETURNING packs, bytes",
            args![repo],
        )
        .await?;
    Ok((after.int("packs") - before.int("packs"), after.int("bytes") - before.int("bytes")))
}

/// Records how a publication has changed the mapped packs.
pub(super) async fn put_change<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    cause: Cause,
    at: &str,
    mapped: Mapped,
) -> SqlResult<()> {
    tx.run(
        "INSERT INTO changes (repo, at, cause, packs, bytes) VALUES ($1, $2, $3, $4, $5)",
        args![repo, at, cause.as_str(), mapped.0, mapped.1],
    )
    .await?;
    Ok(())
}
