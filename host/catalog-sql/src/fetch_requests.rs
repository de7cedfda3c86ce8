//! Fetch requests that are too long for a URL.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::fetch_requests::{RequestUsage, STRANGERS};
use packhouse_catalog::{FetchRequests, NewFetchRequest, RequestBudget};
use packhouse_model::error::{Error, ExhaustedBudget, Result};

use super::SqlCatalog;
use super::answers::whole_seconds;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Work, Writing, args};

/// A request to record.
struct RequestParams<'a> {
    request: &'a NewFetchRequest,
    expires_at: String,
    now: String,
    budget: Option<RequestBudget>,
}

/// What became of it.
enum Noted {
    Kept,
    Beyond(ExhaustedBudget),
    NoRepo,
}

/// Whether any request expired before `$1`.
pub(super) const EXPIRED: &str = "SELECT 1 FROM fetch_requests WHERE expires_at < $1 LIMIT 1";

/// Removes those.
pub(super) const EXPIRE: &str = "DELETE FROM fetch_requests WHERE expires_at < $1";

/// The request of a digest.
pub(super) const REQUEST: &str =
    "SELECT request FROM fetch_requests WHERE repo = $1 AND digest = $2 AND expires_at >= $3";

/// Bytes of requests: all, those of callers without a token, and those of caller `$1`.
const USAGE: &str = "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) AS all_bytes,
        CAST(coalesce(sum(CASE WHEN substr(caller, 1, 8) = $2 THEN bytes ELSE 0 END), 0) AS BIGINT)
          AS strangers,
        CAST(coalesce(sum(CASE WHEN caller = $1 THEN bytes ELSE 0 END), 0) AS BIGINT) AS own
      FROM fetch_requests";

#[async_trait]
impl<E: Engine> FetchRequests for SqlCatalog<E> {
    async fn note_fetch_request(
        &self,
        request: &NewFetchRequest,
        now: Timestamp,
        budget: Option<RequestBudget>,
    ) -> Result<Option<ExhaustedBudget>> {
        let expires_at = whole_seconds(request.expires_at);
        let params = RequestParams { request, expires_at, now: whole_seconds(now), budget };
        let work: Work<E, _, _> = |tx, params| Box::pin(note::<E>(tx, params));
        match self.writing("recording a fetch request", &params, work).await? {
            Noted::Kept => Ok(None),
            Noted::Beyond(budget) => Ok(Some(budget)),
            Noted::NoRepo => Err(Error::DeletedMeanwhile),
        }
    }

    async fn fetch_request(
        &self,
        repo: i64,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>> {
        let doing = "looking up a fetch request";
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let row = reader
            .maybe(REQUEST, args![repo, &digest[..], &whole_seconds(now)])
            .await
            .map_err(self.failed(doing))?;
        Ok(row.map(|row| row.bytes("request").to_vec()))
    }

    async fn expire_fetch_requests(&self, now: Timestamp) -> Result<u64> {
        let (doing, now) = ("removing expired fetch requests", whole_seconds(now));
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        // Mostly there are none, and nothing waits for writers.
        if reader.maybe(EXPIRED, args![&now]).await.map_err(self.failed(doing))?.is_none() {
            return Ok(0);
        }
        drop(reader);
        let work: Work<E, String, _> = |tx, now| Box::pin(expire::<E>(tx, now));
        self.writing(doing, &now, work).await
    }
}

async fn expire<E: Engine>(tx: &mut Writing<E>, now: &String) -> SqlResult<u64> {
    tx.run(EXPIRE, args![now]).await
}

async fn note<E: Engine>(tx: &mut Writing<E>, params: &RequestParams<'_>) -> SqlResult<Noted> {
    let RequestParams { request, expires_at, now, budget } = params;
    // The repo first, as when its rows are removed.
    if !exists::<E>(tx, request.repo).await? {
        return Ok(Noted::NoRepo);
    }
    // Others that record a request wait until this is decided.
    tx.run(E::LOCK_FETCH_REQUESTS, args![]).await?;
    expire::<E>(tx, now).await?;
    if renew::<E>(tx, request, expires_at).await? {
        return Ok(Noted::Kept);
    }
    if let Some(budget) = budget {
        let kept = usage::<E>(tx, &request.caller).await?;
        let bytes = request.request.len() as u64;
        if let Some(used_up) = budget.lacks(kept, bytes, &request.caller) {
            return Ok(Noted::Beyond(used_up));
        }
    }
    tx.run(
        "INSERT INTO fetch_requests (repo, digest, request, bytes, caller, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        args![
            request.repo,
            &request.digest[..],
            &request.request,
            request.request.len(),
            &request.caller,
            expires_at
        ],
    )
    .await?;
    Ok(Noted::Kept)
}

/// Whether the repo exists. It can't be deleted until the transaction ends.
async fn exists<E: Engine>(tx: &mut Writing<E>, repo: i64) -> SqlResult<bool> {
    let row = tx.maybe(E::LOCK_REPO, args![repo]).await?;
    Ok(row.is_some_and(|row| row.maybe_text("deleted_at").is_none()))
}

/// Moves the expiry of the same request, if the repo has it.
async fn renew<E: Engine>(
    tx: &mut Writing<E>,
    request: &NewFetchRequest,
    expires_at: &String,
) -> SqlResult<bool> {
    let renewed = tx
        .run(
            "UPDATE fetch_requests
             SET expires_at = CASE WHEN expires_at < $3 THEN $3 ELSE expires_at END
             WHERE repo = $1 AND digest = $2",
            args![request.repo, &request.digest[..], expires_at],
        )
        .await?;
    Ok(renewed > 0)
}

async fn usage<E: Engine>(tx: &mut Writing<E>, caller: &str) -> SqlResult<RequestUsage> {
    let row = tx.one(USAGE, args![caller, STRANGERS]).await?;
    Ok(RequestUsage {
        all: row.count("all_bytes"),
        strangers: row.count("strangers"),
        caller: row.count("own"),
    })
}
