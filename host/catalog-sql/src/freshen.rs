//! When an entity of a repo was last reported to a client as present.

use jiff::Timestamp;
use packhouse_catalog::{ENTITY_BYTES, EntityKey, FRESH_FOR, RepoRow};

use super::engine::{BATCH, Columns, Engine, Reader, Sql, SqlResult, Writing, args};

/// Entities to mark as recent.
pub(super) struct FreshenParams<'a> {
    /// The repo, as it was when they were looked up.
    pub(super) repo: &'a RepoRow,
    /// In order, each once.
    pub(super) entities: &'a [EntityKey],
    pub(super) at: Timestamp,
}

/// Recorded times before this one are outdated, and are written again.
fn stale_before(at: Timestamp) -> i64 {
    at.as_millisecond().saturating_sub(i64::try_from(FRESH_FOR.as_millis()).unwrap_or(i64::MAX))
}

/// Those of some entities that were not marked as recent lately; none if something was dropped
/// since they were looked up.
pub(super) async fn stale<E: Engine>(
    engine: &E,
    params: &FreshenParams<'_>,
) -> SqlResult<Option<Vec<EntityKey>>> {
    let mut stale = Vec::new();
    let mut reader = Reader::of(engine).await?;
    for chunk in params.entities.chunks(BATCH) {
        let found = reader
            .all(
                E::STALE,
                args![params.repo.id, &chunk.concat(), chunk.len(), stale_before(params.at)],
            )
            .await?;
        let mut places: Vec<usize> = found.iter().map(|row| row.int("i") as usize).collect();
        places.sort_unstable();
        stale.extend(places.into_iter().filter_map(|at| chunk.get(at)));
    }
    // Checked after them: what is recent was already recent before this.
    let current = "SELECT 1 FROM repos WHERE id = $1 AND drops = $2 AND deleted_at IS NULL";
    let current = reader.maybe(current, args![params.repo.id, params.repo.drops]).await?;
    Ok(current.map(|_| stale))
}

/// Marks entities as recent, if nothing was dropped since they were looked up.
pub(super) async fn freshen<E: Engine>(
    tx: &mut Writing<E>,
    params: &FreshenParams<'_>,
) -> SqlResult<bool> {
    let current = tx
        .run(
            "UPDATE repos SET freshenings = freshenings + 1
              WHERE id = $1 AND drops = $2 AND deleted_at IS NULL",
            args![params.repo.id, params.repo.drops],
        )
        .await?;
    if current == 0 {
        return Ok(false);
    }
    put::<E>(tx, params.repo.id, params.entities, params.at).await?;
    Ok(true)
}

/// Writes the times at which entities were marked as recent, with the number that the repo counts.
pub(super) async fn put<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    entities: &[EntityKey],
    at: Timestamp,
) -> SqlResult<u64> {
    let mut changed = 0;
    for chunk in entities.chunks(BATCH) {
        changed += tx
            .run(
                "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
                 INSERT INTO freshened (repo, entity, at, number)
                 SELECT r.id, substr($2, 1 + 34 * n.i, 34), $4, r.freshenings FROM n
                   CROSS JOIN repos r WHERE r.id = $1
                 ON CONFLICT (repo, entity) DO UPDATE SET at = excluded.at, number = excluded.number
                   WHERE freshened.at < $5",
                args![repo, &chunk.concat(), chunk.len(), at.as_millisecond(), stale_before(at)],
            )
            .await?;
    }
    Ok(changed)
}

/// Whether one of some packed entities was marked as recent after the repo's count.
pub(super) async fn touches<E: Engine>(
    tx: &mut Writing<E>,
    repo: &RepoRow,
    mut entities: impl Iterator<Item = EntityKey>,
) -> SqlResult<bool> {
    loop {
        let mut bytes = Vec::new();
        entities.by_ref().take(BATCH).for_each(|entity| bytes.extend_from_slice(&entity));
        if bytes.is_empty() {
            return Ok(false);
        }
        let found = tx
            .maybe(E::TOUCHED, args![repo.id, &bytes, bytes.len() / ENTITY_BYTES, repo.freshenings])
            .await?;
        if found.is_some() {
            return Ok(true);
        }
    }
}
