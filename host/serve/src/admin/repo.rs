//! The repo of a request. Extractors resolve it before a byte of the body is read.
//!
//! ```text
//! path or query ─▶ may the caller? ─▶ Authorized: the repo's id ─▶ the body comes ─▶ JsonBody asks again
//! ```
//!
//! A body takes time, and meanwhile another repo may have got the name. Therefore the request
//! affects only the repo with that id ([`Authorized::store`]), or none.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use packhouse_model::access::{Caller, Scope};
use packhouse_model::names::RepoName;
use packhouse_store::Store;
use serde::Deserialize;

use super::super::address::ClientAddress;
use super::super::guard::Authorized;
use super::super::permission::{administers_all, administers_some};
use super::super::problem::{ApiResult, Problem};
use super::super::state::{AppState, SharedState};
use super::extract::QueryParams;

/// The repo of a path, for a caller who may read it.
pub(super) struct ReadableRepo(pub(super) Authorized);

/// The repo of a path, for a caller who may push to it.
pub(super) struct PushableRepo(pub(super) Authorized);

/// The repo of a path, for a caller who administers it.
pub(super) struct AdministeredRepo(pub(super) Authorized);

/// The repo that a query may name, for a caller who administers it; without one, for a caller who
/// administers the whole store.
pub(super) struct AdministeredQuery(pub(super) Option<Authorized>);

impl FromRequestParts<SharedState> for ReadableRepo {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &SharedState) -> ApiResult<Self> {
        of_path(parts, state, Scope::Read).await.map(ReadableRepo)
    }
}

impl FromRequestParts<SharedState> for PushableRepo {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &SharedState) -> ApiResult<Self> {
        of_path(parts, state, Scope::Push).await.map(PushableRepo)
    }
}

impl FromRequestParts<SharedState> for AdministeredRepo {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &SharedState) -> ApiResult<Self> {
        administers_some(&caller(parts))?;
        of_path(parts, state, Scope::Admin).await.map(AdministeredRepo)
    }
}

#[derive(Deserialize)]
struct RepoQuery {
    repo: Option<RepoName>,
}

impl FromRequestParts<SharedState> for AdministeredQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &SharedState) -> ApiResult<Self> {
        let caller = caller(parts);
        let QueryParams(RepoQuery { repo }) = parts.extract_with_state(state).await?;
        let Some(repo) = repo else {
            administers_all(&caller)?;
            return Ok(AdministeredQuery(None));
        };
        administers_some(&caller)?;
        let authorized = allowed(state, caller, repo.owner(), repo.slug(), Scope::Admin).await?;
        parts.extensions.insert(authorized.clone());
        Ok(AdministeredQuery(Some(authorized)))
    }
}

async fn of_path(parts: &mut Parts, state: &AppState, scope: Scope) -> ApiResult<Authorized> {
    let Path((owner, slug)) = parts
        .extract::<Path<(String, String)>>()
        .await
        .map_err(|rejection| Problem::usage(rejection.status(), rejection.body_text()))?;
    let authorized = allowed(state, caller(parts), &owner, &slug, scope)
        .await?
        .with_address(parts.extensions.get::<ClientAddress>());
    // `JsonBody` checks again when the body has arrived.
    parts.extensions.insert(authorized.clone());
    Ok(authorized)
}

fn caller(parts: &Parts) -> Caller {
    parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anyone)
}

/// Authorizes a caller with a scope for a repo, if allowed.
async fn allowed(
    state: &AppState,
    caller: Caller,
    owner: &str,
    slug: &str,
    scope: Scope,
) -> ApiResult<Authorized> {
    let anyone = caller == Caller::Anyone;
    // The token is valid, but for other repos: MWP has one status for both cases, the admin API has
    // two.
    let forbidden = |problem: Problem| match problem.status {
        StatusCode::UNAUTHORIZED if !anyone => Problem { status: StatusCode::FORBIDDEN, ..problem },
        _ => problem,
    };
    Authorized::of(state, caller, owner, slug, scope).await.map_err(forbidden)
}

/// The repo of a path, if the caller administers it: changes go through [`Authorized::store`].
pub(super) async fn repo_of(
    state: &AppState,
    caller: &Caller,
    (owner, slug): &(String, String),
) -> ApiResult<Authorized> {
    administers_some(caller)?;
    allowed(state, caller.clone(), owner, slug, Scope::Admin).await
}

/// The repo of a query or a body, if the caller administers it. Returns the store, pinned to that
/// repo.
pub(super) async fn administered(
    state: &AppState,
    caller: &Caller,
    repo: &RepoName,
) -> ApiResult<Store> {
    let path = (repo.owner().to_owned(), repo.slug().to_owned());
    Ok(repo_of(state, caller, &path).await?.store(state))
}

/// The store of a request that changes something: pinned to the repo of the request, if the caller
/// administers it. A request without a repo affects the whole store, which the caller must
/// administer.
pub(super) async fn store_to_change(
    state: &AppState,
    caller: &Caller,
    repo: Option<&RepoName>,
) -> ApiResult<Store> {
    match repo {
        Some(repo) => administered(state, caller, repo).await,
        None => administers_all(caller).map(|()| state.store.clone()),
    }
}

/// The store of a request that lists something: pinned to the repo that it names, if its caller
/// administers that. A caller who administers any repo may name none: the handler leaves out what
/// they may not see.
pub(super) async fn store_to_list(
    state: &AppState,
    caller: &Caller,
    repo: Option<&RepoName>,
) -> ApiResult<Store> {
    match repo {
        Some(repo) => administered(state, caller, repo).await,
        None => administers_some(caller).map(|()| state.store.clone()),
    }
}
