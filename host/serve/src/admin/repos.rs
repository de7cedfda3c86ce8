//! Repos: list, show, create, delete.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use packhouse_model::access::{Caller, Scope};
use packhouse_model::client::{RepoSettings, RestoreOptions};
use packhouse_model::error::Error;
use packhouse_model::names::{RepoId, RepoName};
use packhouse_model::report::{
    DeleteReport, NewRepo, RepoDetail, RepoPage, RepoReport, RepoSummary,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::permission::{administers_some, may_make, may_restore};
use super::super::problem::ApiResult;
use super::super::state::{AppState, SharedState};
use super::extract::{JsonBody, PathParams, QueryParams};
use super::paging::{MAX_SAFE_INTEGER, count, limit, text};
use super::repo::{AdministeredRepo, repo_of};

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, set, delete))
        .routes(routes!(restore))
        .routes(routes!(summary))
        .routes(routes!(detail))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum View {
    /// What is known without reading a pack or a branch.
    #[default]
    Summary,
    /// The full report.
    Report,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    #[default]
    Name,
    Packs,
    Bytes,
    Reclaimable,
    Objects,
    LastGc,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    #[default]
    Asc,
    Desc,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReposParams {
    /// What to return for each repo.
    #[serde(default)]
    #[param(inline)]
    view: View,
    /// Those after this one, if sorted by name, ascending.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    after: Option<RepoName>,
    /// Page size. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The sort key; equal ones by name.
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
    /// The sort order.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// A part of the name, ignoring case.
    #[param(max_length = 200, pattern = r"^[^\u0000-\u001f]*$")]
    filter: Option<String>,
    /// Number of repos to skip.
    #[param(minimum = 0, maximum = 9007199254740991u64)]
    offset: Option<u64>,
}

/// A repo, in the requested view.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RepoListItem {
    Summary(RepoSummary),
    Report(RepoReport),
}

impl RepoListItem {
    fn name(&self) -> &RepoName {
        match self {
            RepoListItem::Summary(repo) => &repo.repo,
            RepoListItem::Report(repo) => &repo.repo,
        }
    }
}

/// Lists repos.
#[utoipa::path(get, path = "/repos", tag = "repos", params(ReposParams),
    responses((status = 200, description = "A page of repos", body = RepoPage<RepoListItem>)))]
async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryParams(which): QueryParams<ReposParams>,
) -> ApiResult<Json<RepoPage<RepoListItem>>> {
    administers_some(&caller)?;
    let limit = limit(which.limit, 100)?;
    let offset = count("offset", which.offset)?.unwrap_or(0).min(MAX_SAFE_INTEGER as u64);
    let filter = text(which.filter.clone())?.to_ascii_lowercase();
    let by_name = which.sort == Sort::Name && which.order == Order::Asc;
    if by_name && offset == 0 && filter.is_empty() && caller.may_everywhere(Scope::Admin) {
        // The catalog's own order.
        let after = which.after.as_ref();
        let listed: Vec<RepoListItem> = match which.view {
            View::Summary => {
                let page = state.store.summaries(after, limit + 1).await?;
                page.into_iter().map(RepoListItem::Summary).collect()
            }
            View::Report => {
                let page = state.store.reports(after, limit + 1).await?;
                page.into_iter().map(RepoListItem::Report).collect()
            }
        };
        return Ok(Json(first_page(listed, limit)));
    }
    let mut all = state.store.every_summary().await?;
    let behind =
        |repo: &RepoName| !by_name || which.after.as_ref().is_none_or(|after| repo > after);
    let named = |repo: &RepoName| {
        filter.is_empty() || repo.to_string().to_ascii_lowercase().contains(&filter)
    };
    all.retain(|repo| {
        caller.may(Scope::Admin, &repo.repo) && behind(&repo.repo) && named(&repo.repo)
    });
    sort(&mut all, which.sort, which.order);
    let end = offset.saturating_add(u64::from(limit));
    let more = all.len() as u64 > end;
    let page: Vec<RepoSummary> = all
        .into_iter()
        .skip(usize::try_from(offset).unwrap_or(usize::MAX))
        .take(limit as usize)
        .collect();
    let next = match by_name && offset == 0 {
        true => page.last().map(|last| last.repo.to_string()),
        false => Some(end.to_string()),
    };
    let next = next.filter(|_| more);
    Ok(Json(RepoPage { repos: viewed(&state, page, which.view).await?, next }))
}

/// A page of repos by name, of a list that has one more if there are more.
fn first_page(mut listed: Vec<RepoListItem>, limit: u32) -> RepoPage<RepoListItem> {
    let more = listed.len() > limit as usize;
    listed.truncate(limit as usize);
    let next = listed.last().filter(|_| more).map(|last| last.name().to_string());
    RepoPage { repos: listed, next }
}

fn sort(repos: &mut [RepoSummary], by: Sort, order: Order) {
    let compare = |a: &RepoSummary, b: &RepoSummary| match by {
        Sort::Name => a.repo.cmp(&b.repo),
        Sort::Packs => a.packs.cmp(&b.packs),
        Sort::Bytes => a.bytes.cmp(&b.bytes),
        Sort::Reclaimable => a.reclaimable().cmp(&b.reclaimable()),
        Sort::Objects => a.objects.cmp(&b.objects),
        // A repo without one comes first.
        Sort::LastGc => last_gc(a).cmp(&last_gc(b)),
    };
    repos.sort_by(|a, b| {
        let compared = compare(a, b);
        let directed = if order == Order::Desc { compared.reverse() } else { compared };
        directed.then_with(|| a.repo.cmp(&b.repo))
    });
}

fn last_gc(repo: &RepoSummary) -> Option<jiff::Timestamp> {
    repo.last_gc.as_ref().map(|gc| gc.finished_at)
}

async fn viewed(
    state: &AppState,
    page: Vec<RepoSummary>,
    view: View,
) -> ApiResult<Vec<RepoListItem>> {
    if view == View::Summary {
        return Ok(page.into_iter().map(RepoListItem::Summary).collect());
    }
    let mut lines = Vec::with_capacity(page.len());
    for repo in page {
        match state.store.repo(&repo.repo).await {
            Ok(report) => lines.push(RepoListItem::Report(report)),
            // It was deleted in the meantime.
            Err(Error::UnknownRepo(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(lines)
}

/// Creates a repo.
#[utoipa::path(post, path = "/repos", tag = "repos", request_body = NewRepo,
    responses((status = 201, description = "The repo", body = RepoReport)))]
async fn create(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewRepo>,
) -> ApiResult<(StatusCode, Json<RepoReport>)> {
    may_make(&caller, &new.repo)?;
    Ok((StatusCode::CREATED, Json(state.store.create_repo(&new.repo, new.visibility).await?)))
}

/// Returns a repo: its packs, sizes and branches.
#[utoipa::path(get, path = "/repos/{owner}/{slug}", tag = "repos", params(RepoPath),
    responses((status = 200, description = "The repo", body = RepoReport)))]
async fn show(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(path): PathParams<(String, String)>,
) -> ApiResult<Json<RepoReport>> {
    let authorized = repo_of(&state, &caller, &path).await?;
    Ok(Json(authorized.store(&state).repo(&authorized.repo).await?))
}

/// Changes settings of a repo: those that are given.
#[utoipa::path(patch, path = "/repos/{owner}/{slug}", tag = "repos", params(RepoPath),
    request_body = RepoSettings,
    responses((status = 200, description = "The repo", body = RepoReport)))]
async fn set(
    State(state): State<SharedState>,
    AdministeredRepo(authorized): AdministeredRepo,
    JsonBody(settings): JsonBody<RepoSettings>,
) -> ApiResult<Json<RepoReport>> {
    Ok(Json(authorized.store(&state).set_repo(&authorized.repo, &settings).await?))
}

/// Deletes a repo: its packs are pending deletion, and its name is free. It can be restored until
/// prune has purged it.
#[utoipa::path(delete, path = "/repos/{owner}/{slug}", tag = "repos", params(RepoPath),
    responses((status = 200, description = "What it leaves behind", body = DeleteReport)))]
async fn delete(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(path): PathParams<(String, String)>,
) -> ApiResult<Json<DeleteReport>> {
    let authorized = repo_of(&state, &caller, &path).await?;
    Ok(Json(authorized.store(&state).delete_repo(&authorized.repo).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RestoreParams {
    /// The id of the repo, if several of this name were deleted. Default: the last one.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    id: Option<RepoId>,
    /// The new name. Default: the one that it had.
    #[serde(rename = "as")]
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    new_name: Option<RepoName>,
}

/// Restores a deleted repo of this name, as it was.
#[utoipa::path(post, path = "/repos/{owner}/{slug}/restore", tag = "repos",
    params(RepoPath, RestoreParams),
    responses((status = 200, description = "The repo", body = RepoReport)))]
async fn restore(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams((owner, slug)): PathParams<(String, String)>,
    QueryParams(RestoreParams { id, new_name }): QueryParams<RestoreParams>,
) -> ApiResult<Json<RepoReport>> {
    let repo = may_restore(&caller, &owner, &slug)?;
    if let Some(name) = &new_name {
        may_make(&caller, name)?;
    }
    Ok(Json(state.store.restore_repo(&repo, &RestoreOptions { id, new_name }).await?))
}

/// Returns the summary of a repo.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/summary", tag = "repos", params(RepoPath),
    responses((status = 200, description = "The line", body = RepoSummary)))]
async fn summary(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(path): PathParams<(String, String)>,
) -> ApiResult<Json<RepoSummary>> {
    let authorized = repo_of(&state, &caller, &path).await?;
    Ok(Json(authorized.store(&state).summary(&authorized.repo).await?))
}

/// Returns a repo in detail.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/detail", tag = "repos", params(RepoPath),
    responses((status = 200, description = "The repo in detail", body = RepoDetail)))]
async fn detail(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(path): PathParams<(String, String)>,
) -> ApiResult<Json<RepoDetail>> {
    let authorized = repo_of(&state, &caller, &path).await?;
    Ok(Json(authorized.store(&state).detail(&authorized.repo).await?))
}

/// A repo.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path; axum reads that as it is")]
pub(super) struct RepoPath {
    /// The part of its name before the slash.
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    owner: String,
    /// The part after it.
    #[param(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    slug: String,
}
