//! Deleted repos: restoring one, and removing its remains.

use jiff::Timestamp;
use packhouse_catalog::{RepoRestoration, RestoreOutcome};
use packhouse_model::error::Result;
use packhouse_model::names::{RepoId, RepoName};
use packhouse_model::report::DeletedRepo;

use super::columns::repo_columns;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::{index, rows, sums};

/// The key in `freshened` that stands for all entities of a repo.
pub(super) const EVERYTHING: &[u8] = &[];

/// The repo to restore, and when.
pub(super) struct RestoreParams<'a> {
    /// Where the catalog is.
    pub(super) place: &'a str,
    pub(super) restoration: &'a RepoRestoration,
    pub(super) now: Timestamp,
}

/// Deleted repos of a name that can be restored. The name of a deleted repo is followed by `~` and
/// a number; `:` comes after all digits.
const OF_NAME: &str = "SELECT id, repo_id, deleted_at, packs FROM repos
    WHERE owner = $1 AND slug > $2 || '~' AND slug < $2 || '~:' AND pruned_at IS NULL";

/// Reads them.
pub(super) async fn of_name<E: Engine>(engine: &E, name: &RepoName) -> SqlResult<Vec<E::Row>> {
    Reader::of(engine).await?.all(OF_NAME, args![name.owner(), name.slug()]).await
}

/// Such rows with their numbers, the repo that was deleted last first. Compared as times: their
/// texts have fractions of any length.
pub(super) fn newest_first<R: Columns>(
    place: &str,
    found: &[R],
) -> Result<Vec<(i64, DeletedRepo)>> {
    let read = |row: &R| -> Result<_> {
        let repo_id = RepoId(row.text("repo_id").to_owned());
        let deleted_at = rows::time(place, row, "deleted_at")?;
        Ok((row.int("id"), DeletedRepo { repo_id, deleted_at, packs: row.count("packs") }))
    };
    let mut deleted = found.iter().map(read).collect::<Result<Vec<_>>>()?;
    deleted.sort_by_key(|(number, repo)| std::cmp::Reverse((repo.deleted_at, *number)));
    Ok(deleted)
}

/// Restores a deleted repo.
pub(super) async fn restore<E: Engine>(
    tx: &mut Writing<E>,
    params: &RestoreParams<'_>,
) -> SqlResult<RestoreOutcome> {
    let RepoRestoration { name, id, new_name } = params.restoration;
    let (owner, slug) = (new_name.owner(), new_name.slug());
    if tx
        .maybe("SELECT 1 FROM repos WHERE owner = $1 AND slug = $2", args![owner, slug])
        .await?
        .is_some()
    {
        return Ok(RestoreOutcome::Taken);
    }
    let found = tx.all(OF_NAME, args![name.owner(), name.slug()]).await?;
    let deleted = newest_first(params.place, &found);
    let deleted = deleted.map_err(|damage| sqlx::Error::Decode(damage.into()))?;
    let Some((repo, _)) =
        deleted.into_iter().find(|(_, repo)| id.as_ref().is_none_or(|id| repo.repo_id == *id))
    else {
        return pruned::<E>(tx, params).await;
    };
    tx.one(E::LOCK_REPO, args![repo]).await?;
    // If two callers restore it at once, the second finds it taken when its transaction is retried.
    let restored = tx
        .run(
            "UPDATE repos SET deleted_at = NULL, owner = $2, slug = $3, revision = revision + 1,
              freshenings = freshenings + 1
             WHERE id = $1 AND deleted_at IS NOT NULL AND pruned_at IS NULL",
            args![repo, owner, slug],
        )
        .await?;
    if restored == 0 {
        return Ok(RestoreOutcome::Taken);
    }
    tx.run(
        "DELETE FROM retired
         WHERE repo = $1 AND pack IN (SELECT pack FROM shelves WHERE repo = $1)",
        args![repo],
    )
    .await?;
    tx.run(
        "INSERT INTO freshened (repo, entity, at, number) SELECT id, $2, $3, freshenings FROM repos
          WHERE id = $1
         ON CONFLICT (repo, entity) DO UPDATE SET at = excluded.at, number = excluded.number",
        args![repo, EVERYTHING, params.now.as_millisecond()],
    )
    .await?;
    Ok(RestoreOutcome::Done)
}

/// Why there is nothing to restore.
async fn pruned<E: Engine>(
    tx: &mut Writing<E>,
    params: &RestoreParams<'_>,
) -> SqlResult<RestoreOutcome> {
    let name = &params.restoration.name;
    let row = tx
        .maybe(
            "SELECT pruned_at, pack FROM pruned_repos WHERE owner = $1 AND slug = $2",
            args![name.owner(), name.slug()],
        )
        .await?;
    let Some(row) = row else { return Ok(RestoreOutcome::Unknown) };
    let read = || -> Result<RestoreOutcome> {
        let pack =
            row.maybe_bytes("pack").map(|_| rows::key(params.place, &row, "pack")).transpose()?;
        Ok(RestoreOutcome::Pruned { at: rows::time(params.place, &row, "pruned_at")?, pack })
    };
    read().map_err(|damage| sqlx::Error::Decode(damage.into()))
}

/// Repos that were deleted and not yet removed.
pub(super) async fn deleted<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    let listing =
        concat!("SELECT ", repo_columns!(), " FROM repos WHERE deleted_at IS NOT NULL ORDER BY id");
    reader.all(listing, args![]).await
}

/// Removes a deleted repo: all but its row and its retired packs, which are removed when those
/// packs are forgotten. False if it is not deleted.
pub(super) async fn forget<E: Engine>(
    tx: &mut Writing<E>,
    params: &(i64, String),
) -> SqlResult<bool> {
    let (repo, now) = (params.0, params.1.as_str());
    let Some(row) = tx
        .maybe(
            "SELECT owner, slug, deleted_at, pruned_at FROM repos
              WHERE id = $1 AND deleted_at IS NOT NULL",
            args![repo],
        )
        .await?
    else {
        return Ok(false);
    };
    tx.one(E::LOCK_REPO, args![repo]).await?;
    if row.maybe_text("pruned_at").is_none() {
        let pack = tx
            .maybe(
                "SELECT p.key FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = $1
                 AND NOT EXISTS (SELECT 1 FROM shelves o
                   JOIN repos r ON r.id = o.repo AND r.deleted_at IS NULL WHERE o.pack = p.id)
                 ORDER BY p.key LIMIT 1",
                args![repo],
            )
            .await?;
        let pack = pack.as_ref().map_or(&[][..], |row| row.bytes("key"));
        let slug = row.text("slug").split('~').next().unwrap_or_default();
        tx.run(
            "INSERT INTO pruned_repos (owner, slug, deleted_at, pruned_at, pack)
              VALUES ($1, $2, $3, $4, CASE WHEN length($5) > 0 THEN $5 END)
             ON CONFLICT (owner, slug) DO UPDATE
             SET deleted_at = excluded.deleted_at, pruned_at = excluded.pruned_at, pack = excluded.pack",
            args![row.text("owner"), slug, row.text("deleted_at"), now, pack],
        )
        .await?;
        for statement in [
            "DELETE FROM shelves WHERE repo = $1",
            "DELETE FROM commits WHERE repo = $1",
            "DELETE FROM awaited_parents WHERE repo = $1",
            "DELETE FROM complete_packs WHERE repo = $1",
            "DELETE FROM tag_ids WHERE repo = $1",
            "DELETE FROM branches WHERE repo = $1",
            "DELETE FROM left_heads WHERE repo = $1",
            "DELETE FROM releases WHERE repo = $1",
            "DELETE FROM freshened WHERE repo = $1",
            "DELETE FROM policies WHERE repo = $1",
            "DELETE FROM damaged_repos WHERE repo = $1",
            "DELETE FROM changes WHERE repo = $1",
            "DELETE FROM answers WHERE repo = $1",
            "DELETE FROM fetch_requests WHERE repo = $1",
            "DELETE FROM gc_reports WHERE run IN (SELECT id FROM gc_runs WHERE repo = $1)",
            "DELETE FROM job_packs WHERE job IN (SELECT id FROM jobs WHERE repo = $1)",
            "DELETE FROM jobs WHERE repo = $1",
        ] {
            tx.run(statement, args![repo]).await?;
        }
        index::forget::<E>(tx, repo).await?;
        tx.run(
            "UPDATE repos SET pruned_at = $2, commits = 0, snapshots = 0, objects = 0, tags = 0,
              needed_bytes = 0, walk_floor = NULL WHERE id = $1",
            args![repo, now],
        )
        .await?;
    }
    // The repo that has this name now will retire the packs that it holds.
    tx.run(
        "DELETE FROM retired WHERE repo = $1 AND EXISTS (
             SELECT 1 FROM shelves s JOIN repos r ON r.id = s.repo AND r.deleted_at IS NULL
               WHERE s.pack = retired.pack)",
        args![repo],
    )
    .await?;
    sums::recount_packs::<E>(tx, repo).await?;
    // SQLite reuses the greatest id when its row is deleted, and ids must be unique: the last row
    // stays for a while.
    tx.run(
        "DELETE FROM gc_runs WHERE repo = $1 AND id < (SELECT max(id) FROM gc_runs)",
        args![repo],
    )
    .await?;
    remove_row::<E>(tx, repo).await?;
    Ok(true)
}

/// Removes the row of a repo of which nothing else is left. That of the newest repo stays until
/// another one is created: its id must not be reused, since a push may still be prepared for it.
pub(super) async fn remove_row<E: Engine>(tx: &mut Writing<E>, repo: i64) -> SqlResult<()> {
    tx.run(
        "DELETE FROM repos WHERE id = $1 AND pruned_at IS NOT NULL AND id < (SELECT max(id) FROM repos)
         AND NOT EXISTS (SELECT 1 FROM retired WHERE repo = $1)
           AND NOT EXISTS (SELECT 1 FROM gc_runs WHERE repo = $1)",
        args![repo],
    )
    .await
    .map(drop)
}
