//! The complete pack of a repo.

use packhouse_catalog::{
    CompletePack, CompletePackRow, ENTITY_BYTES, EntityKey, PublishOutcome, RepoRow,
};
use packhouse_core::{Counts, EntityId};
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;

use super::engine::{Columns, Engine, Sql, SqlResult, Writing, args};
use super::{graph, rows};

/// The complete pack of repo `$1`, its pack, and what the index maps to it.
pub(super) const COMPLETE_PACK: &str =
    "SELECT c.heads_digest, c.heads, c.missing, c.commits, c.snapshots, c.objects, c.tags,
        p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at, p.verified_at,
        (SELECT CAST(coalesce(sum(s.commits + s.snapshots + s.objects + s.tags), 0) AS BIGINT)
         FROM shelves s WHERE s.pack = c.pack AND s.repo = c.repo) AS mapped
     FROM complete_packs c JOIN packs p ON p.id = c.pack WHERE c.repo = $1";

/// Reads such a row.
pub(super) fn read(place: &str, row: &impl Columns) -> Result<CompletePackRow> {
    let damaged = || rows::damaged(place, "a row of `complete_packs`");
    let counts = Counts {
        commits: row.count("commits"),
        snapshots: row.count("snapshots"),
        objects: row.count("objects"),
        tags: row.count("tags"),
    };
    let heads = row.bytes("heads").chunks(EntityId::BYTES).map(EntityId::from_bytes);
    let missing = row.bytes("missing").chunks(ENTITY_BYTES).map(EntityKey::try_from);
    let complete = CompletePack {
        heads_digest: row.bytes("heads_digest").try_into().map_err(|_| damaged())?,
        heads: heads.collect::<Option<_>>().ok_or_else(damaged)?,
        missing: missing.collect::<std::result::Result<_, _>>().map_err(|_| damaged())?,
        counts,
    };
    Ok(CompletePackRow { pack: rows::pack(place, row)?, mapped: row.count("mapped"), complete })
}

/// Records what was found out about a pack of a repo, which is locked. Returns the number of changed
/// rows.
pub(super) async fn put<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    pack: i64,
    complete: &CompletePack,
) -> SqlResult<u64> {
    let Counts { commits, snapshots, objects, tags } = complete.counts;
    let (heads, missing) =
        (graph::packed(complete.heads.iter().copied()), complete.missing.concat());
    tx.run(
        "INSERT INTO complete_packs
           (repo, pack, heads_digest, heads, missing, commits, snapshots, objects, tags)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (repo) DO UPDATE
         SET pack = excluded.pack, heads_digest = excluded.heads_digest, heads = excluded.heads,
           missing = excluded.missing, commits = excluded.commits,
           snapshots = excluded.snapshots, objects = excluded.objects, tags = excluded.tags",
        args![
            repo,
            pack,
            &complete.heads_digest[..],
            &heads,
            &missing,
            commits,
            snapshots,
            objects,
            tags
        ],
    )
    .await
}

/// Forgets the complete pack of a repo, if it is on no shelf any more. Returns the number of changed
/// rows.
pub(super) async fn forget_replaced<E: Engine>(tx: &mut Writing<E>, repo: i64) -> SqlResult<u64> {
    tx.run(
        "DELETE FROM complete_packs WHERE repo = $1 AND NOT EXISTS (
           SELECT 1 FROM shelves s WHERE s.pack = complete_packs.pack AND s.repo = $1)",
        args![repo],
    )
    .await
}

/// Records what was found out about a pack that is on a shelf.
pub(super) async fn note<E: Engine>(
    tx: &mut Writing<E>,
    params: &(&RepoRow, &MpackKey, &CompletePack),
) -> SqlResult<PublishOutcome> {
    let (repo, key, complete) = *params;
    tx.maybe(E::LOCK_REPO, args![repo.id]).await?;
    let held = "SELECT p.id FROM packs p JOIN repos r ON r.id = $1
         WHERE p.key = $2 AND r.revision = $3 AND r.deleted_at IS NULL
         AND EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id AND s.repo = $1)";
    let found = tx.maybe(held, args![repo.id, &key.digest()[..], repo.revision]).await?;
    let Some(pack) = found.map(|row| row.int("id")) else { return Ok(PublishOutcome::Changed) };
    Ok(PublishOutcome::Done { rows: put::<E>(tx, repo.id, pack, complete).await? })
}
