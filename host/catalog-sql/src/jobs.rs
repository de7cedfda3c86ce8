//! Jobs in the catalog: one statement assigns a job to one worker.

use jiff::Timestamp;
use packhouse_catalog::{Again, Failure, Fence, JobEnd, JobQuery, NewJob, why_cancelled};
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::operation::Operation;
use packhouse_model::report::{JobReport, JobStatus};

use super::columns::job_columns;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::rows::{damaged, maybe_time, repo_name, time};

/// Jobs with the names of their repos.
macro_rules! listing {
    ($of:literal) => {
        concat!(
            "SELECT ",
            job_columns!("j."),
            ", r.owner, r.slug, r.deleted_at FROM jobs j LEFT JOIN repos r ON r.id = j.repo WHERE ",
            $of
        )
    };
}

/// Queues a job; returns its number, or that of the one of the same type that waits. None if its
/// repo was deleted.
pub(super) async fn add<E: Engine>(tx: &mut Writing<E>, job: &NewJob) -> SqlResult<Option<i64>> {
    if let Some(repo) = job.repo {
        let row = tx.maybe(E::LOCK_REPO, args![repo]).await?;
        if row.is_none_or(|row| row.maybe_text("deleted_at").is_some()) {
            return Ok(None);
        }
    }
    loop {
        // Looked up before another one is inserted: Postgres would use up a number for that one,
        // and leave gaps.
        if let Some(waiting) = join_waiting::<E>(tx, job.repo, &job.operation, None).await? {
            return Ok(Some(waiting.job));
        }
        // None: another process was first, and by the next lookup a worker may have taken that job.
        if let Some(added) = insert::<E>(tx, job).await? {
            return Ok(Some(added));
        }
    }
}

/// A job that waits, and what it does.
struct Waiting {
    job: i64,
    operation: Operation,
}

/// The job of the same type that waits, if there is one, for types of which one is enough; of mirrors
/// also one that runs, because it will wait again. It does this as well from now on, unless their
/// options exclude each other. `except`: a job that does not count.
async fn join_waiting<E: Engine>(
    tx: &mut Writing<E>,
    repo: Option<i64>,
    operation: &Operation,
    except: Option<i64>,
) -> SqlResult<Option<Waiting>> {
    if !operation.waits_once() {
        return Ok(None);
    }
    loop {
        let waiting = tx
            .maybe(
                "SELECT id, type, payload FROM jobs WHERE type = $1 AND repo IS NOT DISTINCT FROM $2 AND id <> $3
                 AND (status = 'queued' OR (status = 'running' AND type = 'repo.mirror'))",
                args![operation.job_type(), repo, except.unwrap_or(0)],
            )
            .await?;
        let Some(row) = waiting else { return Ok(None) };
        let (job, waits) = (row.int("id"), operation_of(&row).map_err(undecodable)?);
        let wider = waits.wider(operation);
        let Some(wider) = wider.filter(|wider| **wider != waits) else {
            return Ok(Some(Waiting { job, operation: waits }));
        };
        let changed = tx
            .run(
                "UPDATE jobs SET payload = $2 WHERE id = $1 AND status = 'queued'",
                args![job, &payload(wider)?],
            )
            .await?;
        // 0: a worker has taken it meanwhile.
        if changed > 0 {
            return Ok(Some(Waiting { job, operation: wider.clone() }));
        }
    }
}

/// Inserts a job, unless one of the same type waits, for types of which one is enough.
async fn insert<E: Engine>(tx: &mut Writing<E>, job: &NewJob) -> SqlResult<Option<i64>> {
    let payload = payload(&job.operation)?;
    let added = tx
        .maybe(
            "INSERT INTO jobs (repo, type, payload, status, created_at, run_at, traceparent) VALUES ($1, $2, $3, 'queued', $4, $5, $6)
             ON CONFLICT DO NOTHING RETURNING id",
            args![
                job.repo,
                job.operation.job_type(),
                &payload,
                &job.now.to_string(),
                job.now.as_millisecond(),
                job.traceparent.as_deref()
            ],
        )
        .await?;
    let Some(added) = added.map(|row| row.int("id")) else { return Ok(None) };
    wait_for_packs::<E>(tx, added, &job.operation).await?;
    Ok(Some(added))
}

/// Keeps the packs that a job will index, until it has ended.
async fn wait_for_packs<E: Engine>(
    tx: &mut Writing<E>,
    job: i64,
    operation: &Operation,
) -> SqlResult<()> {
    let Operation::Index(options) = operation else { return Ok(()) };
    for pack in &options.packs {
        tx.run(
            "INSERT INTO job_packs (job, key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            args![job, &pack.mpack_key.digest()[..]],
        )
        .await?;
    }
    Ok(())
}

/// The options of an operation, in JSON.
fn payload(operation: &Operation) -> SqlResult<String> {
    let value = serde_json::to_value(operation).map_err(|e| sqlx::Error::Encode(e.into()))?;
    Ok(value["payload"].to_string())
}

/// What the job of a row does.
fn operation_of(row: &impl Columns) -> serde_json::Result<Operation> {
    let payload: serde_json::Value = serde_json::from_str(row.text("payload"))?;
    serde_json::from_value(serde_json::json!({ "type": row.text("type"), "payload": payload }))
}

fn undecodable(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

pub(super) async fn one<S: Sql>(connection: &mut S, id: i64) -> SqlResult<Option<S::Row>> {
    connection.maybe(listing!("j.id = $1"), args![id]).await
}

pub(super) async fn list<E: Engine>(engine: &E, query: JobQuery) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            listing!("($1 IS NULL OR j.repo = $1) AND ($2 IS NULL OR j.status = $2) AND j.id < $3 ORDER BY j.id DESC LIMIT $4"),
            args![query.repo, query.status.map(JobStatus::as_str), query.before.unwrap_or(i64::MAX), query.limit],
        )
        .await
}

pub(super) async fn counts<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader.all("SELECT type, status, count(*) AS jobs FROM jobs GROUP BY type, status ORDER BY type, status", args![]).await
}

/// The worker that takes a job, the time, and the end of the lease.
pub(super) struct TakeParams<'a> {
    pub(super) worker: &'a str,
    pub(super) now: Timestamp,
    pub(super) lease_until: Timestamp,
}

/// Takes the job that has been due for longest.
pub(super) async fn take<E: Engine>(
    tx: &mut Writing<E>,
    params: &TakeParams<'_>,
) -> SqlResult<Option<(E::Row, Fence)>> {
    let now = params.now.as_millisecond();
    let taken = tx
        .maybe(
            E::TAKE_JOB,
            args![now, params.worker, params.lease_until.as_millisecond(), &params.now.to_string()],
        )
        .await?;
    let Some(taken) = taken else { return Ok(None) };
    let fence = Fence { job: taken.int("id"), number: taken.int("fence") };
    Ok(one(tx, fence.job).await?.map(|row| (row, fence)))
}

/// Renews the lease of a job.
pub(super) async fn renew<E: Engine>(
    tx: &mut Writing<E>,
    params: &(Fence, Timestamp),
) -> SqlResult<bool> {
    let (fence, lease_until) = params;
    let renewed = tx
        .run(
            "UPDATE jobs SET lease_until = $3 WHERE id = $1 AND fence = $2 AND status = 'running'",
            args![fence.job, fence.number, lease_until.as_millisecond()],
        )
        .await?;
    Ok(renewed > 0)
}

/// How an attempt ended.
pub(super) struct EndParams<'a> {
    pub(super) fence: Fence,
    pub(super) end: &'a JobEnd,
    pub(super) now: Timestamp,
}

/// Finishes an attempt.
pub(super) async fn end<E: Engine>(
    tx: &mut Writing<E>,
    params: &EndParams<'_>,
) -> SqlResult<Option<E::Row>> {
    let EndParams { fence, end, now } = params;
    let (job, number, now) = (fence.job, fence.number, now.to_string());
    let changed = match end {
        JobEnd::Done(result) => {
            tx.run(
                "UPDATE jobs SET status = 'done', finished_at = $3, lease_until = NULL, reason = NULL,
                        error_code = NULL, result = $4
                 WHERE id = $1 AND fence = $2 AND status = 'running'",
                args![job, number, &now, &result.to_string()],
            )
            .await?
        }
        JobEnd::Failed(Failure { reason, code }) => {
            tx.run(
                "UPDATE jobs SET status = 'failed', finished_at = $3, lease_until = NULL, reason = $4, error_code = $5
                 WHERE id = $1 AND fence = $2 AND status = 'running'",
                args![job, number, &now, reason, *code],
            )
            .await?
        }
        JobEnd::Again(again) => queue_again::<E>(tx, params, again).await?,
    };
    if changed == 0 {
        return Ok(None);
    }
    if !matches!(end, JobEnd::Again(_)) {
        tx.run("DELETE FROM job_packs WHERE job = $1", args![job]).await?;
    }
    one(tx, job).await
}

/// Queues a job again, unless one of the same type waits.
async fn queue_again<E: Engine>(
    tx: &mut Writing<E>,
    EndParams { fence, now, .. }: &EndParams<'_>,
    Again { at, reason, code, attempt }: &Again,
) -> SqlResult<u64> {
    let has_lease =
        |row: &E::Row| row.int("fence") == fence.number && row.text("status") == "running";
    let Some(row) = one(tx, fence.job).await?.filter(has_lease) else { return Ok(0) };
    let operation = operation_of(&row).map_err(undecodable)?;
    if let Some(waiting) =
        join_waiting::<E>(tx, row.maybe_int("repo"), &operation, Some(fence.job)).await?
    {
        let reason =
            why_cancelled(reason, (fence.job, &operation), (waiting.job, &waiting.operation));
        return tx
            .run(
                "UPDATE jobs SET status = 'cancelled', finished_at = $4, lease_until = NULL, reason = $3, error_code = $5
                 WHERE id = $1 AND fence = $2 AND status = 'running'",
                args![fence.job, fence.number, &reason, &now.to_string(), *code],
            )
            .await;
    }
    tx.run(
        "UPDATE jobs SET status = 'queued', lease_until = NULL, run_at = $3, reason = $4, attempt = $5, error_code = $6
         WHERE id = $1 AND fence = $2 AND status = 'running'",
        args![fence.job, fence.number, at.as_millisecond(), reason, i64::from(*attempt), *code],
    )
    .await
}

/// A job, and the time.
pub(super) struct JobParams {
    pub(super) id: i64,
    pub(super) now: Timestamp,
}

/// Retries a job.
pub(super) async fn retry<E: Engine>(
    tx: &mut Writing<E>,
    params: &JobParams,
) -> SqlResult<Option<E::Row>> {
    let Some(row) = one(tx, params.id).await? else { return Ok(None) };
    if !matches!(row.text("status"), "failed" | "cancelled") {
        return Ok(None);
    }
    let operation = operation_of(&row).map_err(undecodable)?;
    // If one of the same type waits, that one is enough.
    if let Some(waiting) = join_waiting::<E>(tx, row.maybe_int("repo"), &operation, None).await? {
        return one(tx, waiting.job).await;
    }
    let changed = tx
        .run(
            "UPDATE jobs SET status = 'queued', attempt = 0, run_at = $2, finished_at = NULL, reason = NULL, error_code = NULL
             WHERE id = $1 AND status IN ('failed', 'cancelled')
             AND NOT EXISTS (SELECT 1 FROM repos r WHERE r.id = jobs.repo AND r.deleted_at IS NOT NULL)",
            args![params.id, params.now.as_millisecond()],
        )
        .await?;
    if changed == 0 {
        // Another process did the same.
        return Ok(None);
    }
    wait_for_packs::<E>(tx, params.id, &operation).await?;
    one(tx, params.id).await
}

/// Cancels a job. Its fence advances: the worker that has it publishes nothing more.
pub(super) async fn cancel<E: Engine>(
    tx: &mut Writing<E>,
    params: &JobParams,
) -> SqlResult<Option<E::Row>> {
    let changed = tx
        .run(
            "UPDATE jobs SET status = 'cancelled', fence = fence + 1, lease_until = NULL, finished_at = $2,
                    reason = 'cancelled by a user', error_code = NULL
             WHERE id = $1 AND status IN ('queued', 'running')",
            args![params.id, &params.now.to_string()],
        )
        .await?;
    if changed == 0 {
        return Ok(None);
    }
    tx.run("DELETE FROM job_packs WHERE job = $1", args![params.id]).await?;
    one(tx, params.id).await
}

/// For each key, whether an unfinished job needs that pack.
pub(super) async fn waiting_packs<E: Engine>(
    engine: &E,
    keys: &[MpackKey],
) -> SqlResult<Vec<bool>> {
    let mut reader = Reader::of(engine).await?;
    let mut waiting = Vec::with_capacity(keys.len());
    for key in keys {
        waiting.push(
            reader
                .maybe("SELECT 1 FROM job_packs WHERE key = $1", args![&key.digest()[..]])
                .await?
                .is_some(),
        );
    }
    Ok(waiting)
}

/// Reads a row of a listing.
pub(super) fn read(place: &str, row: &impl Columns) -> Result<JobReport> {
    let unreadable = || damaged(place, "a job");
    let at = |column: &str| {
        row.maybe_int(column).map(Timestamp::from_millisecond).transpose().map_err(|_| unreadable())
    };
    let result =
        row.maybe_text("result").map(serde_json::from_str).transpose().map_err(|_| unreadable())?;
    // A deleted repo has no name.
    let named = row.maybe_text("owner").is_some() && row.maybe_text("deleted_at").is_none();
    Ok(JobReport {
        id: row.int("id"),
        repo: if named { Some(repo_name(place, row)?) } else { None },
        operation: operation_of(row).map_err(|_| unreadable())?,
        status: row.text("status").parse().map_err(|_| unreadable())?,
        attempt: u32::try_from(row.int("attempt")).map_err(|_| unreadable())?,
        created_at: time(place, row, "created_at")?,
        run_at: at("run_at")?.ok_or_else(unreadable)?,
        started_at: maybe_time(place, row, "started_at")?,
        finished_at: maybe_time(place, row, "finished_at")?,
        worker: row.maybe_text("worker").map(str::to_owned),
        lease_until: at("lease_until")?,
        reason: row.maybe_text("reason").map(str::to_owned),
        result,
        error_code: row.maybe_text("error_code").map(str::to_owned),
        healed: false,
        traceparent: row.maybe_text("traceparent").map(str::to_owned),
    })
}
