//! Policies: when repos are consolidated automatically.

use axum::extract::State;
use axum::{Extension, Json};
use packhouse_model::access::{Caller, Scope};
use packhouse_model::names::RepoName;
use packhouse_model::report::{Policy, PolicyCheck, PolicyReport, PolicyRequest};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::problem::ApiResult;
use super::super::state::SharedState;
use super::extract::{JsonBody, QueryParams};
use super::paging::count;
use super::repo::{AdministeredQuery, store_to_change, store_to_list};

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(show, set, unset)).routes(routes!(check))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyParams {
    /// The repo. Default: the default policy.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    repo: Option<RepoName>,
}

/// Returns the policy of a repo, or the default policy.
#[utoipa::path(get, path = "/policy", tag = "policies", params(PolicyParams),
    responses((status = 200, description = "The policy", body = PolicyReport)))]
async fn show(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryParams(PolicyParams { repo }): QueryParams<PolicyParams>,
) -> ApiResult<Json<PolicyReport>> {
    let store = store_to_list(&state, &caller, repo.as_ref()).await?;
    Ok(Json(store.policy(repo.as_ref()).await?))
}

/// Sets the policy. Rules that are null or omitted are removed.
#[utoipa::path(put, path = "/policy", tag = "policies", params(PolicyParams), request_body = Policy,
    responses((status = 200, description = "The policy", body = PolicyReport)))]
async fn set(
    State(state): State<SharedState>,
    AdministeredQuery(authorized): AdministeredQuery,
    JsonBody(policy): JsonBody<Policy>,
) -> ApiResult<Json<PolicyReport>> {
    let repo = authorized.as_ref().map(|authorized| &authorized.repo);
    let store = authorized
        .as_ref()
        .map_or_else(|| state.store.clone(), |authorized| authorized.store(&state));
    count("max_packs", policy.max_packs)?;
    count("max_age_seconds", policy.max_age_seconds)?;
    count("scrub_age_seconds", policy.scrub_age_seconds)?;
    Ok(Json(store.set_policy(repo, Some(policy)).await?))
}

/// Resets the policy: the default policy applies again.
#[utoipa::path(delete, path = "/policy", tag = "policies", params(PolicyParams),
    responses((status = 200, description = "The policy that applies now", body = PolicyReport)))]
async fn unset(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryParams(PolicyParams { repo }): QueryParams<PolicyParams>,
) -> ApiResult<Json<PolicyReport>> {
    let store = store_to_change(&state, &caller, repo.as_ref()).await?;
    Ok(Json(store.set_policy(repo.as_ref(), None).await?))
}

/// Returns which repos are due, and why; if requested, queues consolidations of those.
#[utoipa::path(post, path = "/policy/check", tag = "policies", request_body = PolicyRequest,
    responses((status = 200, description = "Which repos are due", body = Vec<PolicyCheck>)))]
async fn check(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(PolicyRequest { repo, queue }): JsonBody<PolicyRequest>,
) -> ApiResult<Json<Vec<PolicyCheck>>> {
    let store = store_to_list(&state, &caller, repo.as_ref()).await?;
    if repo.is_some() || caller.may_everywhere(Scope::Admin) {
        return Ok(Json(store.check_policies(repo.as_ref(), queue).await?));
    }
    // Of all repos, those that the caller administers: others are not reported, and nothing is
    // queued for them.
    let mut checks = store.check_policies(None, false).await?;
    checks.retain(|check| caller.may(Scope::Admin, &check.repo));
    for check in checks.iter_mut().filter(|_| queue) {
        check.job = store.queue_due(check).await?;
    }
    Ok(Json(checks))
}
