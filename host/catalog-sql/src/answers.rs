//! Fetch results that are kept, and their expiry.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::{Answers, NewAnswer};
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoId};

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Work, Writing, args};
use super::{SqlCatalog, rows};

#[async_trait]
impl<E: Engine> Answers for SqlCatalog<E> {
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>> {
        let doing = "looking up an answer";
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        // Most plans have no answer, and need not wait for writers.
        if reader.maybe(OF_PLAN, args![repo, plan]).await.map_err(self.failed(doing))?.is_none() {
            return Ok(None);
        }
        drop(reader);
        let work: Work<E, (i64, String, String), _> =
            |tx, (repo, plan, until)| Box::pin(of_plan::<E>(tx, *repo, plan, until));
        let row =
            self.writing(doing, &(repo, plan.to_owned(), whole_seconds(expires_at)), work).await?;
        row.map(|row| rows::key(self.engine.place(), &row, "key")).transpose()
    }

    async fn note_answer(&self, key: &MpackKey, answer: &NewAnswer) -> Result<()> {
        let work: Work<E, (MpackKey, NewAnswer), _> =
            |tx, (key, answer)| Box::pin(note::<E>(tx, key, answer));
        self.writing("recording an answer", &(*key, answer.clone()), work).await
    }

    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>> {
        let found = expired(&self.engine, repo, now)
            .await
            .map_err(self.failed("looking for expired answers"))?;
        found.iter().map(|row| rows::key(self.engine.place(), row, "key")).collect()
    }

    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>> {
        let found = repos_with_expired(&self.engine, now)
            .await
            .map_err(self.failed("looking for expired answers"))?;
        Ok(found
            .iter()
            .map(|row| (row.int("id"), RepoId(row.text("repo_id").to_owned())))
            .collect())
    }

    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()> {
        let work: Work<E, (i64, String), _> =
            |tx, (repo, now)| Box::pin(forget::<E>(tx, *repo, now));
        self.writing("forgetting answers", &(repo, whole_seconds(now)), work).await
    }
}

const OF_PLAN: &str = "SELECT key FROM answers WHERE repo = $1 AND plan = $2 ORDER BY key LIMIT 1";

async fn of_plan<E: Engine>(
    tx: &mut Writing<E>,
    repo: i64,
    plan: &str,
    until: &String,
) -> SqlResult<Option<E::Row>> {
    tx.run(
        "UPDATE answers SET expires_at = $3 WHERE repo = $1 AND plan = $2 AND expires_at < $3",
        args![repo, plan, until],
    )
    .await?;
    tx.maybe(OF_PLAN, args![repo, plan]).await
}

async fn note<E: Engine>(tx: &mut Writing<E>, key: &MpackKey, answer: &NewAnswer) -> SqlResult<()> {
    let until = whole_seconds(answer.expires_at);
    tx.run(
        "INSERT INTO answers (repo, key, expires_at, plan) VALUES ($1, $2, $3, $4)
         ON CONFLICT (repo, key) DO UPDATE SET plan = excluded.plan,
             expires_at = CASE WHEN excluded.expires_at > answers.expires_at
               THEN excluded.expires_at ELSE answers.expires_at END",
        args![answer.repo, &key.digest()[..], &until, &answer.plan],
    )
    .await?;
    Ok(())
}

async fn expired<E: Engine>(engine: &E, repo: i64, now: Timestamp) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            "SELECT key FROM answers WHERE repo = $1 AND expires_at < $2 ORDER BY key",
            args![repo, &whole_seconds(now)],
        )
        .await
}

async fn repos_with_expired<E: Engine>(engine: &E, now: Timestamp) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            "SELECT r.id, r.repo_id FROM repos r
             WHERE r.id IN (SELECT a.repo FROM answers a WHERE a.expires_at < $1) ORDER BY r.id",
            args![&whole_seconds(now)],
        )
        .await
}

async fn forget<E: Engine>(tx: &mut Writing<E>, repo: i64, now: &String) -> SqlResult<()> {
    tx.run("DELETE FROM answers WHERE repo = $1 AND expires_at < $2", args![repo, now]).await?;
    Ok(())
}

/// A time whose text sorts like the time: always the same width.
pub(super) fn whole_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
