//! Creating and deleting a repo; deleting a branch.

use packhouse_catalog::{BranchDeletion, DeletionSummary, PublishOutcome};
use packhouse_model::client::RepoSettings;
use packhouse_model::names::{RepoId, RepoName, Visibility};

use super::columns::repo_columns;
use super::engine::{Columns, Engine, Sql, SqlResult, Writing, args};

/// A repo to create.
pub(super) struct CreateParams<'a> {
    pub(super) name: &'a RepoName,
    pub(super) id: RepoId,
    pub(super) visibility: Visibility,
    pub(super) now: String,
}

/// Creates a repo. None if the name is taken.
pub(super) async fn create<E: Engine>(
    tx: &mut Writing<E>,
    new: &CreateParams<'_>,
) -> SqlResult<Option<E::Row>> {
    tx.maybe(
        concat!(
            "INSERT INTO repos (repo_id, owner, slug, visibility, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (owner, slug) DO NOTHING RETURNING ",
            repo_columns!()
        ),
        args![&new.id.0, new.name.owner(), new.name.slug(), new.visibility.as_str(), &new.now],
    )
    .await
}

/// Changes settings of a repo: those that are given. None if it was deleted.
pub(super) async fn set<E: Engine>(
    tx: &mut Writing<E>,
    params: &(i64, RepoSettings),
) -> SqlResult<Option<E::Row>> {
    let (repo, RepoSettings { visibility, accepts_shallow }) = *params;
    tx.maybe(
        concat!(
            "UPDATE repos SET visibility = coalesce($2, visibility),
                    accepts_shallow = coalesce($3, accepts_shallow)
              WHERE id = $1 AND deleted_at IS NULL RETURNING ",
            repo_columns!()
        ),
        args![repo, visibility.map(Visibility::as_str), accepts_shallow.map(i64::from)],
    )
    .await
}

/// Deletes a repo at a time. All its rows stay until prune removes it, under a name that no request
/// can contain.
pub(super) async fn delete<E: Engine>(
    tx: &mut Writing<E>,
    params: &(i64, String),
) -> SqlResult<Option<DeletionSummary>> {
    let (repo, now) = (params.0, params.1.as_str());
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    let gone = tx
        .run(
            "UPDATE repos SET deleted_at = $2, revision = revision + 1, slug = slug || '~' || id
              WHERE id = $1 AND deleted_at IS NULL",
            args![repo, now],
        )
        .await?;
    if gone == 0 {
        return Ok(None);
    }
    // A pack is never both on a shelf of a repo and retired by it, so it is known which to restore.
    tx.run(
        "INSERT INTO retired (repo, pack, retired_at) SELECT DISTINCT $1, pack, $2 FROM shelves
          WHERE repo = $1
         ON CONFLICT (repo, pack) DO UPDATE SET retired_at = excluded.retired_at",
        args![repo, now],
    )
    .await?;
    let jobs = tx
        .run(
            "UPDATE jobs SET status = 'cancelled', fence = fence + 1, lease_until = NULL,
              finished_at = $2, reason = 'its repo was deleted', error_code = NULL
             WHERE repo = $1 AND status IN ('queued', 'running')",
            args![repo, now],
        )
        .await?;
    tx.run("DELETE FROM job_packs WHERE job IN (SELECT id FROM jobs WHERE repo = $1)", args![repo])
        .await?;
    let left = tx
        .one(
            "SELECT count(*) AS packs, CAST(coalesce(sum(p.bytes), 0) AS BIGINT) AS bytes
             FROM retired t JOIN packs p ON p.id = t.pack WHERE t.repo = $1",
            args![repo],
        )
        .await?;
    Ok(Some(DeletionSummary { packs: left.count("packs"), bytes: left.count("bytes"), jobs }))
}

/// Deletes a branch. Its head is recorded, like one that a forced push has abandoned.
pub(super) async fn delete_branch<E: Engine>(
    tx: &mut Writing<E>,
    params: &BranchDeletion,
) -> SqlResult<PublishOutcome> {
    let repo = params.repo.id;
    tx.one(E::LOCK_REPO, args![repo]).await?;
    let current = tx
        .maybe(
            "SELECT 1 FROM repos r JOIN branches b ON b.repo = r.id
              WHERE r.id = $1 AND r.revision = $2 AND b.name = $3",
            args![repo, params.repo.revision, &params.branch],
        )
        .await?;
    if current.is_none() {
        return Ok(PublishOutcome::Changed);
    }
    let mut rows = tx
        .run(
            "UPDATE repos SET revision = revision + 1, default_branch = $2 WHERE id = $1",
            args![repo, params.default_branch.as_deref()],
        )
        .await?;
    rows += tx
        .run(
            "INSERT INTO left_heads (repo, branch, head, left_at)
             SELECT repo, name, head, $3 FROM branches WHERE repo = $1 AND name = $2",
            args![repo, &params.branch, &params.now.to_string()],
        )
        .await?;
    rows += tx
        .run("DELETE FROM branches WHERE repo = $1 AND name = $2", args![repo, &params.branch])
        .await?;
    Ok(PublishOutcome::Done { rows })
}
