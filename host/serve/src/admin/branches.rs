//! Branches of a repo: list, delete.

use axum::extract::State;
use axum::{Extension, Json};
use packhouse_model::access::Caller;
use packhouse_model::report::{BranchDeleteReport, BranchReport};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::ApiResult;
use super::super::state::SharedState;
use super::extract::{PathParams, QueryParams};
use super::repo::repo_of;
use super::repos::RepoPath;

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(list, delete))
}

/// Lists the branches of a repo by name, also those that are hidden from clients.
#[utoipa::path(get, path = "/repos/{owner}/{slug}/branches", tag = "repos", params(RepoPath),
    responses((status = 200, description = "The branches", body = Vec<BranchReport>)))]
async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(path): PathParams<(String, String)>,
) -> ApiResult<Json<Vec<BranchReport>>> {
    let authorized = repo_of(&state, &caller, &path).await?;
    Ok(Json(authorized.store(&state).branches(&authorized.repo).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BranchParams {
    /// The name of the branch, exactly or in its escaped form. It may contain any character,
    /// including slashes.
    name: String,
}

/// Deletes a branch. Commits that only it reached are unreachable from now on.
#[utoipa::path(delete, path = "/repos/{owner}/{slug}/branches", tag = "repos", params(RepoPath, BranchParams),
    responses((status = 200, description = "The deleted branch, and its head", body = BranchDeleteReport)))]
async fn delete(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(path): PathParams<(String, String)>,
    QueryParams(which): QueryParams<BranchParams>,
) -> ApiResult<Json<BranchDeleteReport>> {
    let authorized = repo_of(&state, &caller, &path).await?;
    Ok(Json(authorized.store(&state).delete_branch(&authorized.repo, &which.name).await?))
}
