//! Extractors: the path, the query, the body, and the caller's permissions. Rejections are a
//! [`Problem`].

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use futures::future::BoxFuture;
use packhouse_model::access::{Caller, Scope};
use packhouse_model::error::{Class, Result};
use packhouse_model::names::RepoName;
use packhouse_model::text::escaped;
use packhouse_store::Store;
use serde::de::DeserializeOwned;

use super::super::auth::{Authorized, check_token};
use super::super::body::whole;
use super::super::decode::{self, Malformed};
use super::super::limits::JSON;
use super::super::problem::{ApiResult, Problem};
use super::super::state::{AppState, SharedState};
use super::repo::allowed;

/// Most that a page lists.
pub(super) const PAGE: u32 = 1000;

/// Numbers in queries are at most that: what JavaScript counts exactly.
pub(super) const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A rejection of axum.
pub(in super::super) fn bad_request(status: StatusCode, words: String) -> Problem {
    Problem { class: Class::Usage, ..Problem::new(status, words) }
}

/// The body, in JSON. A body takes time to arrive, and its token may be revoked in the meantime: so
/// the token is checked again, and handlers get bodies only through this type. So is the repo of
/// the path or the query, when an extractor of [`super::repo`] has resolved it: its name may belong
/// to another repo. Permissions on a repo that the body names are checked by the handler.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<SharedState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &SharedState) -> ApiResult<Self> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anyone);
        let repo = request.extensions().get::<Authorized>().cloned();
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !is_json(kind) {
            let words = "expected a JSON body: Content-Type: application/json";
            return Err(bad_request(StatusCode::UNSUPPORTED_MEDIA_TYPE, words.to_owned()));
        }
        let come = whole(state, request, JSON, |bytes| {
            decode::json(bytes).map_err(Malformed::admin_problem)
        })
        .await;
        // A caller without permission learns nothing about errors in the body.
        check_token(state, &caller).await?;
        if let Some(repo) = repo {
            repo.recheck(state).await?;
        }
        let (value, _) = come?;
        Ok(JsonBody(value))
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The query.
pub(super) struct QueryParams<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(QueryParams(value)),
            Err(rejection) => Err(bad_request(rejection.status(), rejection.body_text())),
        }
    }
}

/// The variable parts of the path.
pub(super) struct PathParams<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(PathParams(value)),
            Err(rejection) => Err(bad_request(rejection.status(), rejection.body_text())),
        }
    }
}

/// The repo that a path names, if its caller administers it: what is done with it is done through
/// [`Authorized::store`].
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

/// The repo that something is about, if its caller administers it; what is about none is about the
/// whole store. Gives the store, as [`administered`] does.
pub(super) async fn administers(
    state: &AppState,
    caller: &Caller,
    repo: Option<&RepoName>,
) -> ApiResult<Store> {
    match repo {
        Some(repo) => administered(state, caller, repo).await,
        None => administers_all(caller).map(|()| state.store.clone()),
    }
}

/// Whether work may be seen: that on a repo is its administrators' business, that on the store the
/// store's.
pub(super) fn sees(caller: &Caller, repo: Option<&RepoName>) -> bool {
    match repo {
        Some(repo) => caller.may(Scope::Admin, repo),
        None => caller.may_everywhere(Scope::Admin),
    }
}

/// A page of what a caller may see, newest first, and where the next one begins. A caller who may
/// see only some items gets full pages of them.
pub(super) async fn page_of<'a, T>(
    limit: u32,
    mut before: Option<i64>,
    list: impl Fn(Option<i64>) -> BoxFuture<'a, Result<Vec<T>>>,
    id: impl Fn(&T) -> i64,
    seen: impl Fn(&T) -> bool,
) -> ApiResult<(Vec<T>, Option<i64>)> {
    let limit = limit as usize;
    let mut all: Vec<T> = Vec::new();
    loop {
        let page = list(before).await?;
        let last = page.len() < limit;
        before = page.last().map(&id).or(before);
        all.extend(page.into_iter().filter(&seen));
        if last || all.len() >= limit {
            let more = !last || all.len() > limit;
            all.truncate(limit);
            let next = all.last().filter(|_| more).map(&id);
            return Ok((all, next));
        }
    }
}

/// The repo that a query may name; without one, its caller must administer something. What they may
/// not see is then left out.
pub(super) async fn perhaps_administered(
    state: &AppState,
    caller: &Caller,
    repo: Option<&RepoName>,
) -> ApiResult<Store> {
    match repo {
        Some(repo) => administered(state, caller, repo).await,
        None => administers_some(caller).map(|()| state.store.clone()),
    }
}

/// Whether its caller administers all of the store.
pub(super) fn administers_all(caller: &Caller) -> ApiResult<()> {
    match caller.may_everywhere(Scope::Admin) {
        true => Ok(()),
        false => Err(not_allowed(
            caller,
            "this affects the whole store, and requires a token with scope admin for all repos (*)",
        )),
    }
}

/// Whether its caller administers some repo.
pub(super) fn administers_some(caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { scope: Scope::Admin, .. } | Caller::Trusted => Ok(()),
        _ => Err(not_allowed(caller, "administration requires a token with scope admin")),
    }
}

/// Whether its caller may make that repo.
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

/// How many to list.
pub(super) fn limit(given: Option<u32>, else_: u32) -> ApiResult<u32> {
    match given.unwrap_or(else_) {
        limit @ 1..=PAGE => Ok(limit),
        other => Err(Problem::malformed(format!("limit is {other}: expected 1 to {PAGE}"))),
    }
}

/// A number before which to list.
pub(super) fn before(given: Option<i64>) -> ApiResult<Option<i64>> {
    match given {
        Some(other) if !(0..=MAX_SAFE_INTEGER).contains(&other) => {
            Err(Problem::malformed(format!("before is {other}: expected 0 to {MAX_SAFE_INTEGER}")))
        }
        given => Ok(given),
    }
}

/// A number of seconds, or of packs: more than that is a mistake, or an attack.
pub(super) fn count(what: &str, given: Option<u64>) -> ApiResult<Option<u64>> {
    match given {
        Some(other) if other > MAX_SAFE_INTEGER as u64 => Err(Problem::malformed(format!(
            "{what} is {other}: expected at most {MAX_SAFE_INTEGER}"
        ))),
        given => Ok(given),
    }
}

/// A text to look for.
pub(super) fn text(given: Option<String>) -> ApiResult<String> {
    let text = given.unwrap_or_default();
    match text.chars().count() > 200 || text.chars().any(|c| c < ' ') {
        true => Err(Problem::malformed(
            "a search text has at most 200 characters, and no control characters",
        )),
        false => Ok(text),
    }
}
