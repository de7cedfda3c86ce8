//! What is inside a repo: commits, files, records. For callers who may read it. What packs hold is
//! for those who administer it: packs that wait for deletion are among them.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use packhouse_model::contents::{Contents, Kind};
use packhouse_model::names::MpackKey;
use packhouse_model::report::{
    FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, PackComparison, PackComparisonQuery,
    PackRecordsPage, PackRecordsQuery, RecordClass, RecordReport,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::ApiResult;
use super::super::state::SharedState;
use super::extract::QueryParams;
use super::paging::{FILES, count, limit, limit_to};
use super::repo::{AdministeredRepo, ReadableRepo};
use super::repos::RepoPath;

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(log))
        .routes(routes!(files))
        .routes(routes!(record))
        .routes(routes!(content))
        .routes(routes!(find))
        .routes(routes!(records))
        .routes(routes!(compare))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// The branch whose head comes first. Default: the default branch.
    branch: Option<String>,
    /// The commits to start with instead, separated by commas: `next` of the page before.
    from: Option<String>,
    /// Page size. Default: 100. A page is longer where commits came in disorder, and no consolidation
    /// has numbered them since.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists the commits that a branch reaches, each before its parents.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/log", tag = "contents", params(RepoPath, LogParams),
    responses((status = 200, description = "A page of commits", body = LogPage)))]
async fn log(
    State(state): State<SharedState>,
    ReadableRepo(authorized): ReadableRepo,
    QueryParams(which): QueryParams<LogParams>,
) -> ApiResult<Json<LogPage>> {
    let limit = limit(which.limit, 100)?;
    let from = which.from.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
    let query = LogQuery { branch: which.branch, from, limit };
    Ok(Json(authorized.store(&state).log(&authorized.repo, &query).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilesParams {
    /// The ID of a commit, its first 4 digits or more, or the name of a branch.
    commit: String,
    /// A file or a folder. Default: all files.
    path: Option<String>,
    /// Those after this path.
    after: Option<String>,
    /// Page size. Default: 1000.
    #[param(minimum = 1, maximum = 50000)]
    limit: Option<u32>,
}

/// Lists the files of a commit by path.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/files", tag = "contents", params(RepoPath, FilesParams),
    responses((status = 200, description = "A page of files", body = FilesPage)))]
async fn files(
    State(state): State<SharedState>,
    ReadableRepo(authorized): ReadableRepo,
    QueryParams(which): QueryParams<FilesParams>,
) -> ApiResult<Json<FilesPage>> {
    let FilesParams { commit, path, after, limit } = which;
    let query = FilesQuery { commit, path, after, limit: limit_to(limit, 1000, FILES)? };
    Ok(Json(authorized.store(&state).files(&authorized.repo, &query).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordParams {
    /// An ID, or its first 4 digits or more. Of a tag, its text.
    id: String,
}

/// Returns what a record says, and where it is. The content of an object is left out.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/record", tag = "contents", params(RepoPath, RecordParams),
    responses((status = 200, description = "The record", body = RecordReport)))]
async fn record(
    State(state): State<SharedState>,
    ReadableRepo(authorized): ReadableRepo,
    QueryParams(which): QueryParams<RecordParams>,
) -> ApiResult<Json<RecordReport>> {
    Ok(Json(authorized.store(&state).record(&authorized.repo, &which.id).await?))
}

/// Returns the content of an object, or the bytes of another record as they were pushed. If they
/// turn out to be damaged, the response ends before its `Content-Length`.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/content", tag = "contents", params(RepoPath, RecordParams),
    responses((status = 200, description = "The bytes", content_type = "application/octet-stream")))]
async fn content(
    State(state): State<SharedState>,
    ReadableRepo(authorized): ReadableRepo,
    QueryParams(which): QueryParams<RecordParams>,
) -> ApiResult<Response> {
    let content = authorized.store(&state).content(&authorized.repo, &which.id).await?;
    // What is stored is the client's: no browser may take it for a page of this server.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_LENGTH, HeaderValue::from(content.bytes)),
    ];
    Ok((headers, Body::from_stream(content.stream)).into_response())
}

/// Returns where the records with an ID are. An unknown ID has none.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/find", tag = "contents", params(RepoPath, RecordParams),
    responses((status = 200, description = "The records, at most 100", body = Vec<FoundRecord>)))]
async fn find(
    State(state): State<SharedState>,
    ReadableRepo(authorized): ReadableRepo,
    QueryParams(which): QueryParams<RecordParams>,
) -> ApiResult<Json<Vec<FoundRecord>>> {
    Ok(Json(authorized.store(&state).find(&authorized.repo, &which.id).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PackRecordsParams {
    /// The pack.
    #[param(value_type = String)]
    pack: MpackKey,
    /// The byte of the pack where to begin: `next` of the page before. Default: its first.
    #[param(minimum = 0, maximum = 9007199254740991_u64)]
    from: Option<u64>,
    /// Page size. Default: 100. A search may find fewer before the end.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only records of this kind: `commit`, `snapshot`, `object` or `tag`.
    #[param(value_type = Option<String>)]
    kind: Option<Kind>,
    /// Only records whose IDs begin so; of tags, those with this text.
    id: Option<String>,
}

/// Lists the records of a pack, in its order, and whether the repo needs each.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/records", tag = "contents",
    params(RepoPath, PackRecordsParams),
    responses((status = 200, description = "A page of records", body = PackRecordsPage)))]
async fn records(
    State(state): State<SharedState>,
    AdministeredRepo(authorized): AdministeredRepo,
    QueryParams(which): QueryParams<PackRecordsParams>,
) -> ApiResult<Json<PackRecordsPage>> {
    let PackRecordsParams { pack, from, limit: given, kind, id } = which;
    let from = count("from", from)?.unwrap_or(0);
    let query = PackRecordsQuery { pack, from, limit: limit(given, 100)?, kind, id };
    Ok(Json(authorized.store(&state).pack_records(&authorized.repo, &query).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CompareParams {
    /// The one pack.
    #[param(value_type = String)]
    a: MpackKey,
    /// The other pack.
    #[param(value_type = String)]
    b: MpackKey,
    /// Only records of this class. Default: all.
    class: Option<RecordClass>,
    /// Where the page begins: `next` of the page before. Default: with the first.
    after: Option<String>,
    /// Page size. Default: 100. There may be fewer before the end.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Whether to return the totals as well. Only with the first page.
    #[serde(default)]
    totals: bool,
}

/// Compares two packs: which records are only in one, in both, or in both in different encodings. All
/// of both directories is read, more than once if they are large.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/compare", tag = "contents",
    params(RepoPath, CompareParams),
    responses((status = 200, description = "A page of records, and the totals if they are wanted", body = PackComparison)))]
async fn compare(
    State(state): State<SharedState>,
    AdministeredRepo(authorized): AdministeredRepo,
    QueryParams(which): QueryParams<CompareParams>,
) -> ApiResult<Json<PackComparison>> {
    let CompareParams { a, b, class, after, limit: given, totals } = which;
    let query = PackComparisonQuery { a, b, class, after, limit: limit(given, 100)?, totals };
    Ok(Json(authorized.store(&state).compare_packs(&authorized.repo, &query).await?))
}
