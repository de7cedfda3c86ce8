//! Jobs: list, queue, retry, cancel.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use futures::FutureExt;
use packhouse_model::access::Caller;
use packhouse_model::error::Error;
use packhouse_model::names::RepoName;
use packhouse_model::operation::{JobRequest, Operation};
use packhouse_model::report::{JobPage, JobReport, JobStatus, JobsQuery, Queued};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::permission::{administers_all, administers_some, sees};
use super::super::problem::ApiResult;
use super::super::state::{AppState, SharedState};
use super::extract::{JsonBody, PathParams, QueryParams};
use super::paging::{MAX_SAFE_INTEGER, before, limit, page_of};
use super::repo::{store_to_change, store_to_list};

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(list, queue))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(cancel))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsParams {
    /// Of one repo. Default: of all that the caller administers.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    repo: Option<RepoName>,
    /// With this status.
    #[param(inline)]
    status: Option<JobStatus>,
    /// Before the one with this id.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    before: Option<i64>,
    /// Page size. Default: 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(JobsParams),
    responses((status = 200, description = "A page of jobs", body = JobPage)))]
async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryParams(which): QueryParams<JobsParams>,
) -> ApiResult<Json<JobPage>> {
    let limit = limit(which.limit, 50)?;
    let before = before(which.before)?;
    let store = &store_to_list(&state, &caller, which.repo.as_ref()).await?;
    let query = JobsQuery { repo: which.repo, status: which.status, before, limit };
    let list = |before| {
        let query = JobsQuery { before, ..query.clone() };
        async move { store.jobs(&query).await }.boxed()
    };
    let seen = |job: &JobReport| sees(&caller, job.repo.as_ref());
    let (jobs, next) = page_of(limit, before, list, |job| job.id, seen).await?;
    Ok(Json(JobPage { jobs, next }))
}

/// Queues a job. If one of the same type waits already, that one does this as well, and is returned.
/// To queue a mirror, a token must administer the whole store.
#[utoipa::path(post, path = "/jobs", tag = "jobs", request_body = JobRequest,
    responses((status = 202, description = "The job", body = Queued)))]
async fn queue(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(asked): JsonBody<JobRequest>,
) -> ApiResult<(StatusCode, Json<Queued>)> {
    let store = store_to_change(&state, &caller, asked.repo.as_ref()).await?;
    may_start(&caller, &asked.operation)?;
    asked.check()?;
    let queued = store.queue(asked.repo.as_ref(), asked.operation).await?;
    Ok((StatusCode::ACCEPTED, Json(queued)))
}

/// Whether a caller who administers its repo may have a worker do it.
fn may_start(caller: &Caller, operation: &Operation) -> ApiResult<()> {
    if operation.needs_whole_store() { administers_all(caller) } else { Ok(()) }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path; axum reads that as it is")]
pub(super) struct JobPath {
    /// Its id.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    id: i64,
}

/// A job, if the caller may see it. Others don't learn whether it exists.
async fn job_of(state: &AppState, caller: &Caller, id: i64) -> ApiResult<JobReport> {
    administers_some(caller)?;
    if !(0..=MAX_SAFE_INTEGER).contains(&id) {
        return Err(Error::UnknownJob(id).into());
    }
    let job = state.store.job(id).await?;
    if sees(caller, job.repo.as_ref()) { Ok(job) } else { Err(Error::UnknownJob(id).into()) }
}

/// Returns a job, with its result.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", params(JobPath),
    responses((status = 200, description = "The job", body = JobReport)))]
async fn show(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<i64>,
) -> ApiResult<Json<JobReport>> {
    Ok(Json(job_of(&state, &caller, id).await?))
}

/// Retries a failed or cancelled job.
#[utoipa::path(post, path = "/jobs/{id}/retry", tag = "jobs", params(JobPath),
    responses((status = 200, description = "The job", body = JobReport)))]
async fn retry(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<i64>,
) -> ApiResult<Json<JobReport>> {
    let job = job_of(&state, &caller, id).await?;
    may_start(&caller, &job.operation)?;
    Ok(Json(state.store.retry_job(job.id).await?))
}

/// Cancels a queued or running job.
#[utoipa::path(post, path = "/jobs/{id}/cancel", tag = "jobs", params(JobPath),
    responses((status = 200, description = "The job", body = JobReport)))]
async fn cancel(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<i64>,
) -> ApiResult<Json<JobReport>> {
    let job = job_of(&state, &caller, id).await?;
    Ok(Json(state.store.cancel_job(job.id).await?))
}
