//! Making and deleting a repo.

use super::super::Leftovers;
use super::engine::{Columns, Engine, Sql, SqlResult, Writing, args};
use super::sums;
use crate::names::{RepoId, RepoName, Visibility};

/// A repo to make.
pub(super) struct New<'a> {
    pub(super) name: &'a RepoName,
    pub(super) id: RepoId,
    pub(super) visibility: Visibility,
    pub(super) now: String,
}

/// Makes a repo. None when the name is taken.
pub(super) async fn create<E: Engine>(tx: &mut Writing<E>, new: &New<'_>) -> SqlResult<Option<E::Row>> {
    tx.maybe(
        "INSERT INTO repos (repo_id, owner, slug, visibility, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (owner, slug) DO NOTHING RETURNING *",
        args![&new.id.0, new.name.owner(), new.name.slug(), new.visibility.as_str(), &new.now],
    )
    .await
}

/// Deletes a repo at a time. Its row stays until its packs are gone, under a name that nobody can ask for.
pub(super) async fn delete<E: Engine>(tx: &mut Writing<E>, given: &(i64, String)) -> SqlResult<Option<Leftovers>> {
    let (repo, now) = (given.0, given.1.as_str());
    tx.one(E::LOCK_REPO, args![repo]).await?;
    let gone = tx
        .run(
            "UPDATE repos SET deleted_at = $2, revision = revision + 1, slug = slug || '~' || id, commits = 0, snapshots = 0, objects = 0,
                    tags = 0, needed_bytes = 0
             WHERE id = $1 AND deleted_at IS NULL",
            args![repo, now],
        )
        .await?;
    if gone == 0 {
        return Ok(None);
    }
    tx.run(
        "INSERT INTO retired (repo, pack, retired_at) SELECT DISTINCT $1, pack, $2 FROM shelves WHERE repo = $1
         ON CONFLICT (repo, pack) DO UPDATE SET retired_at = excluded.retired_at",
        args![repo, now],
    )
    .await?;
    let jobs = tx
        .run(
            "UPDATE jobs SET status = 'cancelled', fence = fence + 1, lease_until = NULL, finished_at = $2, reason = 'its repo was deleted'
             WHERE repo = $1 AND status IN ('queued', 'running')",
            args![repo, now],
        )
        .await?;
    for statement in [
        "DELETE FROM job_packs WHERE job IN (SELECT id FROM jobs WHERE repo = $1)",
        "DELETE FROM shelves WHERE repo = $1",
        "DELETE FROM entities WHERE repo = $1",
        "DELETE FROM commits WHERE repo = $1",
        "DELETE FROM tag_ids WHERE repo = $1",
        "DELETE FROM branches WHERE repo = $1",
        "DELETE FROM left_heads WHERE repo = $1",
        "DELETE FROM releases WHERE repo = $1",
        "DELETE FROM policies WHERE repo = $1",
        "DELETE FROM damaged_repos WHERE repo = $1",
    ] {
        tx.run(statement, args![repo]).await?;
    }
    sums::recount_packs::<E>(tx, repo).await?;
    let left = tx
        .one(
            "SELECT count(*) AS packs, CAST(coalesce(sum(p.bytes), 0) AS BIGINT) AS bytes
             FROM retired t JOIN packs p ON p.id = t.pack WHERE t.repo = $1",
            args![repo],
        )
        .await?;
    Ok(Some(Leftovers { packs: left.count("packs"), bytes: left.count("bytes"), jobs }))
}
