//! Permissions of a caller for the whole store, and for repos that may not exist.

use axum::http::StatusCode;
use packhouse_model::access::{Caller, Scope};
use packhouse_model::names::RepoName;
use packhouse_model::text::escaped;

use super::problem::{ApiResult, Problem};

/// Whether the caller may see work: that on a repo needs its administrator, that on the whole store
/// an administrator of the store.
pub(super) fn sees(caller: &Caller, repo: Option<&RepoName>) -> bool {
    match repo {
        Some(repo) => caller.may(Scope::Admin, repo),
        None => caller.may_everywhere(Scope::Admin),
    }
}

/// Whether the caller administers the whole store.
pub(super) fn administers_all(caller: &Caller) -> ApiResult<()> {
    match caller.may_everywhere(Scope::Admin) {
        true => Ok(()),
        false => Err(not_allowed(
            caller,
            "this affects the whole store, and requires a token with scope admin for all repos (*)",
        )),
    }
}

/// Whether the caller administers any repo.
pub(super) fn administers_some(caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { scope: Scope::Admin, .. } | Caller::Trusted => Ok(()),
        _ => Err(not_allowed(caller, "administration requires a token with scope admin")),
    }
}

/// Whether the caller may create that repo.
pub(super) fn may_make(caller: &Caller, repo: &RepoName) -> ApiResult<()> {
    match caller.may(Scope::Admin, repo) {
        true => Ok(()),
        false => {
            Err(not_allowed(caller, "creating this repo requires a token with scope admin for it"))
        }
    }
}

/// The repo of a path, if the caller may restore it. Only such callers learn whether it was
/// deleted.
pub(super) fn may_restore(caller: &Caller, owner: &str, slug: &str) -> ApiResult<RepoName> {
    administers_some(caller)?;
    let name = format!("{owner}/{slug}");
    let repo: RepoName = name.parse().map_err(|_| Problem::no_repo(&escaped(&name)))?;
    match caller.may(Scope::Admin, &repo) {
        true => Ok(repo),
        false => {
            Err(not_allowed(caller, "restoring this repo requires a token with scope admin for it"))
        }
    }
}

fn not_allowed(caller: &Caller, words: &str) -> Problem {
    match caller {
        Caller::Anyone => {
            Problem::unauthorized(format!("{words}; send it as: Authorization: Bearer TOKEN"))
        }
        _ => Problem::new(StatusCode::FORBIDDEN, words),
    }
}
