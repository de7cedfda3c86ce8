//! Fetch results: their expiry, and the disk space that they use.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::answers::{AnswerBudget, AnswerUsage, Answers, NewAnswer, STRANGERS};
use packhouse_model::error::{ExhaustedBudget, Result};
use packhouse_model::names::{MpackKey, RepoId};

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Work, Writing, args};
use super::{SqlCatalog, rows};

/// An answer under a name, and the budget.
struct AnswerParams<'a> {
    name: &'a MpackKey,
    answer: &'a NewAnswer,
    budget: Option<AnswerBudget>,
}

/// An answer that has been written.
struct FinishedAnswer<'a> {
    name: &'a MpackKey,
    key: &'a MpackKey,
    answer: &'a NewAnswer,
}

#[async_trait]
impl<E: Engine> Answers for SqlCatalog<E> {
    async fn take_room(
        &self,
        name: &MpackKey,
        answer: &NewAnswer,
        budget: Option<AnswerBudget>,
    ) -> Result<Option<ExhaustedBudget>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(take_room::<E>(tx, params));
        self.writing("reserving space for an answer", &AnswerParams { name, answer, budget }, work)
            .await
    }

    async fn give_room_back(&self, repo: i64, name: &MpackKey) -> Result<()> {
        let work: Work<E, (i64, MpackKey), _> =
            |tx, (repo, name)| Box::pin(give_back::<E>(tx, *repo, name));
        self.writing("releasing space", &(repo, *name), work).await
    }

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

    async fn note_answer(&self, name: &MpackKey, key: &MpackKey, answer: &NewAnswer) -> Result<()> {
        let work: Work<E, _, _> = |tx, made| Box::pin(note::<E>(tx, made));
        self.writing("recording an answer", &FinishedAnswer { name, key, answer }, work).await
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

async fn take_room<E: Engine>(
    tx: &mut Writing<E>,
    params: &AnswerParams<'_>,
) -> SqlResult<Option<ExhaustedBudget>> {
    let AnswerParams { name, answer, budget } = params;
    if let Some(budget) = budget {
        // Others that reserve space wait until this is decided.
        tx.run(E::LOCK_ANSWERS, args![]).await?;
        let row = tx
            .one(
                "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) AS all_bytes,
                    CAST(coalesce(sum(CASE WHEN substr(caller, 1, 8) = $2 THEN bytes
                      ELSE 0 END), 0) AS BIGINT) AS strangers,
                    CAST(coalesce(sum(CASE WHEN caller = $1 THEN bytes
                      ELSE 0 END), 0) AS BIGINT) AS own FROM answers",
                args![&answer.caller, STRANGERS],
            )
            .await?;
        let kept = AnswerUsage {
            all: row.count("all_bytes"),
            strangers: row.count("strangers"),
            caller: row.count("own"),
        };
        if let Some(used_up) = budget.lacks(kept, answer.bytes, &answer.caller) {
            return Ok(Some(used_up));
        }
    }
    tx.run(
        "INSERT INTO answers (repo, key, expires_at, bytes, caller) VALUES ($1, $2, $3, $4, $5)",
        args![
            answer.repo,
            &name.digest()[..],
            &whole_seconds(answer.expires_at),
            answer.bytes,
            &answer.caller
        ],
    )
    .await?;
    Ok(None)
}

async fn give_back<E: Engine>(tx: &mut Writing<E>, repo: i64, name: &MpackKey) -> SqlResult<()> {
    tx.run(
        "DELETE FROM answers WHERE repo = $1 AND key = $2 AND plan IS NULL",
        args![repo, &name.digest()[..]],
    )
    .await?;
    Ok(())
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

async fn note<E: Engine>(tx: &mut Writing<E>, made: &FinishedAnswer<'_>) -> SqlResult<()> {
    let FinishedAnswer { name, key, answer } = made;
    give_back::<E>(tx, answer.repo, name).await?;
    let until = whole_seconds(answer.expires_at);
    tx.run(
        "INSERT INTO answers (repo, key, expires_at, bytes, caller, plan) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (repo, key) DO UPDATE SET plan = excluded.plan, bytes = excluded.bytes,
             expires_at = CASE WHEN excluded.expires_at > answers.expires_at
               THEN excluded.expires_at ELSE answers.expires_at END",
        args![answer.repo, &key.digest()[..], &until, answer.bytes, &answer.caller, &answer.plan],
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
