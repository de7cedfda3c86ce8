//! [`Releases`] on a database.

use async_trait::async_trait;
use packhouse_catalog::{PutRelease, ReleaseRow, Releases, entity_key};
use packhouse_core::Kind;
use packhouse_model::error::Result;

use super::columns::release_columns;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Work, Writing, args};
use super::index::Index;
use super::{SqlCatalog, rows};

/// A release to publish.
struct ReleaseParams<'a> {
    place: &'a str,
    repo: i64,
    release: &'a ReleaseRow,
    most: u64,
}

#[async_trait]
impl<E: Engine> Releases for SqlCatalog<E> {
    async fn put_release(&self, repo: i64, release: &ReleaseRow, most: u64) -> Result<PutRelease> {
        let params = ReleaseParams { place: self.engine.place(), repo, release, most };
        self.writing("publishing a release", &params, |tx, params| Box::pin(put::<E>(tx, params)))
            .await
    }

    async fn releases(&self, repo: i64) -> Result<Vec<ReleaseRow>> {
        let found = list(&self.engine, repo).await.map_err(self.failed("listing releases"))?;
        found.iter().map(|row| read(self.engine.place(), row)).collect()
    }

    async fn delete_release(&self, repo: i64, tag: &str) -> Result<bool> {
        let work: Work<E, _, _> = |tx, params| Box::pin(delete::<E>(tx, params));
        self.writing("retracting a release", &(repo, tag.to_owned()), work).await
    }
}

async fn put<E: Engine>(tx: &mut Writing<E>, params: &ReleaseParams<'_>) -> SqlResult<PutRelease> {
    let ReleaseParams { place, repo, release, most } = *params;
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    if tx
        .maybe("SELECT 1 FROM repos WHERE id = $1 AND deleted_at IS NULL", args![repo])
        .await?
        .is_none()
    {
        return Ok(PutRelease::NoRepo);
    }
    let taken = tx
        .maybe(
            concat!(
                "SELECT ",
                release_columns!(),
                " FROM releases WHERE repo = $1 AND (tag = $2 OR release_id = $3)
                  ORDER BY CASE WHEN tag = $2 THEN 0 ELSE 1 END, id"
            ),
            args![repo, &release.tag, &release.release_id],
        )
        .await?;
    if let Some(row) = taken {
        let taken = read(place, &row).map_err(|damage| sqlx::Error::Decode(damage.into()))?;
        return Ok(PutRelease::Taken(Box::new(taken)));
    }
    let commit = entity_key(Kind::Commit, release.commit);
    let mut index = Index::read(tx, repo).await?;
    if index.lookup::<E, _>(tx, &[commit]).await? == [None] {
        return Ok(PutRelease::UnknownCommit);
    }
    let sum = "SELECT CAST(coalesce(sum(octet_length(body)), 0) AS BIGINT) AS bytes FROM releases
      WHERE repo = $1";
    if tx.one(sum, args![repo]).await?.count("bytes") + release.body.len() as u64 > most {
        return Ok(PutRelease::TooMuch);
    }
    // A consolidation that was planned before might drop the commit: for it, the repo has changed.
    tx.run("UPDATE repos SET revision = revision + 1 WHERE id = $1", args![repo]).await?;
    tx.run(
        "INSERT INTO releases (repo, tag, release_id, channel, is_draft, commit_id, body)
          VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![
            repo,
            &release.tag,
            &release.release_id,
            &release.channel,
            i64::from(release.is_draft),
            &release.commit.to_bytes()[..],
            &release.body
        ],
    )
    .await?;
    Ok(PutRelease::Published)
}

async fn list<E: Engine>(engine: &E, repo: i64) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    let listing =
        concat!("SELECT ", release_columns!(), " FROM releases WHERE repo = $1 ORDER BY id DESC");
    reader.all(listing, args![repo]).await
}

async fn delete<E: Engine>(tx: &mut Writing<E>, (repo, tag): &(i64, String)) -> SqlResult<bool> {
    Ok(tx.run("DELETE FROM releases WHERE repo = $1 AND tag = $2", args![*repo, tag]).await? > 0)
}

fn read(place: &str, row: &impl Columns) -> Result<ReleaseRow> {
    Ok(ReleaseRow {
        tag: row.text("tag").to_owned(),
        release_id: row.text("release_id").to_owned(),
        channel: row.text("channel").to_owned(),
        is_draft: row.int("is_draft") != 0,
        commit: rows::id(place, row, "commit_id")?,
        body: row.text("body").to_owned(),
    })
}
