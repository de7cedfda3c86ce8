//! Answers to fetches: planned once for equal requests, and streamed. Nothing of them is kept on
//! disk: the URL of an answer names its request.

use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use packhouse_model::client::FetchRequest;
use packhouse_model::error::Error;
use packhouse_model::names::RepoName;
use packhouse_model::report::FetchReport;
use packhouse_store::{RequestedCommits, Store};
use url::Url;

use super::guard::Authorized;
use super::packs::{granted, refused, streamed};
use super::problem::{ApiResult, Problem};
use super::proxy;
use super::ranges::respond;
use super::signed::{GrantedContent, RequestOfUrl, SignedGrant, SignedQuery};
use super::state::{AppState, SharedState};

/// How often a request is planned again because packs of its plan were deleted meanwhile.
const TRIES: usize = 8;

pub(super) fn routes() -> Router<SharedState> {
    Router::new().route("/{owner}/{slug}/fetch/{etag}", get(answer))
}

/// The server's URL, as the client sees it.
pub(super) fn base(state: &AppState, headers: &HeaderMap) -> Url {
    if let Some(url) = &state.public_url {
        return url.clone();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = proxy::scheme(headers).unwrap_or(if state.secure { "https" } else { "http" });
    let named = Url::parse(&format!("{scheme}://{host}")).ok();
    // It is a host: `guard` has checked it. A client that sends another Host header gets a URL to that
    // host; no other client sees it.
    named.unwrap_or_else(|| Url::parse("http://localhost").expect("it is a URL"))
}

/// Longest lifetime of a URL for a caller with a token, in seconds: a week.
const LONGEST: u64 = 7 * 24 * 3600;

/// That of others.
const LONGEST_OF_STRANGERS: u64 = 3600;

/// The lifetime of a URL.
pub(super) fn ttl(authorized: &Authorized, seconds: u64) -> ApiResult<Duration> {
    let known = authorized.is_known();
    let longest = if known { LONGEST } else { LONGEST_OF_STRANGERS };
    if (1..=longest).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    let more = if known { String::new() } else { format!(" (with a token, to {LONGEST})") };
    Err(Problem::malformed(format!("ttl_seconds is {seconds}: expected 1 to {longest}{more}")))
}

/// A fetch that returns a URL: of the bucket for a stored pack in one, else of this server.
pub(super) async fn fetch_report(
    state: &SharedState,
    base: &Url,
    authorized: &Authorized,
    request: FetchRequest,
) -> ApiResult<Result<FetchReport, Error>> {
    let (store, repo) = (authorized.store(state), &authorized.repo);
    let expires_at = store.url_expiry(request.ttl).await?;
    let requested = match RequestedCommits::of(repo, &request) {
        Ok(requested) => requested,
        Err(error) => return Ok(Err(error)),
    };
    let planned = match store.plan_fetch(repo, &requested, state.permit_to_plan()).await {
        Ok(planned) => planned,
        Err(error) => return Ok(Err(error)),
    };
    authorized.recheck(state).await?;
    let key = store.key_of_answer(&planned).await?;
    let grant = |to| SignedGrant {
        repo,
        repo_id: authorized.repo_id(),
        to,
        token: authorized.signs_as(),
        expires: expires_at.as_second(),
    };
    let content = &planned.content;
    let url = match (content.stored_key(), store.stored_url(content, request.ttl).await?) {
        (Some(key), Some(url)) if url.starts_with("file:") => {
            state.signer.url(base, grant(GrantedContent::Pack(&key)))
        }
        (_, Some(url)) => url,
        (_, None) => {
            let named = match RequestOfUrl::whole(&requested) {
                Some(named) => named,
                None => {
                    let quota = authorized.request_quota(state);
                    let kept = store.keep_request(repo, &requested, expires_at, quota.as_ref());
                    RequestOfUrl::Kept(kept.await?)
                }
            };
            let to = GrantedContent::Answer { etag: &content.etag(), request: &named };
            state.signer.url(base, grant(to))
        }
    };
    Ok(Ok(store.fetch_report(&planned, key, url, expires_at)))
}

async fn answer(
    State(state): State<SharedState>,
    Path((owner, slug, etag)): Path<(String, String, String)>,
    query: Result<Query<SignedQuery>, QueryRejection>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let Query(query) = query.map_err(|_| refused())?;
    let repo: RepoName = format!("{owner}/{slug}").parse().map_err(|_| refused())?;
    let named = RequestOfUrl::of(&query).ok_or_else(refused)?;
    let to = GrantedContent::Answer { etag: &etag, request: &named };
    let store = granted(&state, &repo, to, &query).await?;
    let requested = match &named {
        RequestOfUrl::Whole(requested) => requested.clone(),
        RequestOfUrl::Kept(digest) => {
            store.kept_request(&repo, digest).await?.ok_or_else(refused)?
        }
    };
    let response = answered(&state, &store, &repo, &requested, (&headers, Some(&etag))).await;
    match response {
        Ok(response) => {
            // The wait may have been long.
            granted(&state, &repo, to, &query).await?;
            Ok(response)
        }
        // A consolidation has dropped the commits of the request.
        Err(Error::UnknownWant { .. }) => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

/// The response to a request, planned again as often as packs of the plan were deleted meanwhile.
/// `of`: the headers of the request, and the ETag that its URL names.
pub(super) async fn answered(
    state: &SharedState,
    store: &Store,
    repo: &RepoName,
    requested: &RequestedCommits,
    (headers, named): (&HeaderMap, Option<&str>),
) -> Result<Response, Error> {
    for _ in 0..TRIES {
        let given_out = match named {
            Some(etag) => store.plan_given_out(repo, requested, etag).await?,
            None => None,
        };
        let planned = match given_out {
            Some(planned) => planned,
            None => store.plan_fetch(repo, requested, state.permit_to_plan()).await?,
        };
        let (etag, total) = (planned.content.etag(), planned.content.bytes());
        let open = async |range| {
            let stream = store.open_answer(&planned, range).await?;
            Ok::<_, Error>(stream.map(|stream| streamed(state, stream)))
        };
        if let Some(response) = respond(headers, (&etag, named), total, open).await? {
            return Ok(response);
        }
    }
    Err(Error::Busy { repo: repo.clone(), what: "it was consolidated" })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use packhouse_core::EntityId;
    use packhouse_model::names::Visibility;

    use super::super::limits::PLANNED;
    use super::super::options::ServeOptions;
    use super::super::testing::{NoPlanner, store_with};
    use super::*;

    /// Clients that disconnect don't free permits whose work goes on; equal requests take one.
    #[tokio::test]
    async fn a_permit_goes_with_the_planning_and_not_with_the_client() {
        let (planner, held, mut begins) = NoPlanner::holding();
        let store = store_with(Visibility::Public, planner).await;
        let state = Arc::new(AppState::new(store, &ServeOptions::default()).await.unwrap());
        let repo: RepoName = "a/b".parse().unwrap();
        let request = |n: usize| {
            let have = EntityId::parse(format!("{n:064x}").as_bytes()).unwrap();
            RequestedCommits { have: vec![have], ..RequestedCommits::default() }
        };
        let plan = |n: usize| {
            let (state, repo, request) = (state.clone(), repo.clone(), request(n));
            async move {
                let permit = state.permit_to_plan();
                state.store.plan_fetch(&repo, &request, permit).await.map(drop)
            }
        };
        for n in 0..PLANNED {
            // It begins, and then the client disconnects.
            tokio::select! {
                done = plan(n) => panic!("{done:?}"),
                begun = begins.recv() => begun.unwrap(),
            }
        }
        assert_eq!(state.permits.free_plans(), 0, "they are at work still");
        assert!(plan(PLANNED).now_or_never().is_none(), "another request waits");
        assert!(plan(0).now_or_never().is_none(), "so does an equal one, for the same plan");
        assert!(begins.try_recv().is_err());
        held.end();
        assert!(matches!(plan(PLANNED).await, Err(Error::Cancelled)));
        state.tasks.drained().await;
        assert_eq!(state.permits.free_plans(), PLANNED);
    }
}
