//! Packs by signed URLs: complete, or a range to resume a download.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use futures::StreamExt;
use packhouse_model::access::Scope;
use packhouse_model::error::Error;
use packhouse_model::names::{MpackKey, RepoId, RepoName, Visibility};
use packhouse_store::{ContentStream, Store};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::problem::{ApiResult, Problem};
use super::ranges::respond;
use super::signed::{GrantedContent, NO_TOKEN, SignedGrant, SignedQuery, TRUSTED};
use super::state::{AppState, SharedState};

/// Size of a chunk that is read from a file, in bytes.
const READ: usize = 256 << 10;

pub(super) fn routes() -> Router<SharedState> {
    Router::new().route("/{owner}/{slug}/packs/{key}", get(pack))
}

/// The response does not say whether a URL was not signed here, or has expired.
pub(super) fn refused() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "this URL is not valid, or has expired; fetch again for a new one",
    )
}

async fn pack(
    State(state): State<SharedState>,
    Path((owner, slug, key)): Path<(String, String, String)>,
    query: Result<Query<SignedQuery>, QueryRejection>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let Query(query) = query.map_err(|_| refused())?;
    let repo = format!("{owner}/{slug}").parse().map_err(|_| refused())?;
    let key: MpackKey = key.parse().map_err(|_| refused())?;
    let to = match query.assembled {
        true => GrantedContent::KeptAnswer(&key),
        false => GrantedContent::Pack(&key),
    };
    let store = granted(&state, &repo, to, &query).await?;
    match query.assembled {
        true => kept_answer(&state, &store, &repo, &key, &headers).await,
        false => stored_pack(&state, &store, &repo, &key, &headers).await,
    }
}

/// The store, pinned to the repo of a signed URL, if the URL is valid.
pub(super) async fn granted(
    state: &AppState,
    repo: &RepoName,
    to: GrantedContent<'_>,
    query: &SignedQuery,
) -> ApiResult<Store> {
    let named = state.store.named(repo).await?;
    // The signature is also compared if there is no such repo, so the timing reveals nothing.
    let (repo_id, visibility) = named.unwrap_or((RepoId(String::new()), Visibility::Private));
    let SignedQuery { token, expires, signature, .. } = query;
    let grant = SignedGrant { repo, repo_id: &repo_id, to, token, expires: *expires };
    if !state.signer.allows(grant, signature, state.store.now())
        || !authorised(state, token, repo, visibility).await?
    {
        return Err(refused());
    }
    Ok(state.store.pinned(repo, &repo_id))
}

/// Whether the authority that signed a URL is still valid. The repo may have become private.
async fn authorised(
    state: &AppState,
    token: &str,
    repo: &RepoName,
    visibility: Visibility,
) -> ApiResult<bool> {
    let is_public = visibility == Visibility::Public;
    match token {
        TRUSTED => Ok(state.trusting),
        NO_TOKEN => Ok(is_public || state.trusting),
        id => {
            let caller = state.bearers.caller_still(id).await?;
            Ok(caller.is_some_and(|caller| is_public || caller.may(Scope::Read, repo)))
        }
    }
}

/// A stored pack, or the requested range of it.
async fn stored_pack(
    state: &SharedState,
    store: &Store,
    repo: &RepoName,
    key: &MpackKey,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let content = store.pack_content(repo, key).await?.ok_or_else(refused)?;
    let open = async |range| {
        let stream = store.open_content(&content, range).await?;
        Ok::<_, Problem>(stream.map(|stream| streamed(state, stream)))
    };
    let response = respond(headers, (&content.etag(), None), content.bytes(), open).await?;
    // One that was deleted in between is gone.
    response.ok_or_else(refused)
}

/// A fetch result that an earlier version has kept.
async fn kept_answer(
    state: &SharedState,
    store: &Store,
    repo: &RepoName,
    key: &MpackKey,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let stored = store.kept_answer(repo, key).await?.ok_or_else(refused)?;
    let total = stored.bytes;
    let open = async |range: Range<u64>| {
        let stream = file_stream(stored.file, range.start, range.end - range.start)?;
        Ok::<_, Problem>(Some(streamed(state, stream)))
    };
    respond(headers, (&key.hex(), None), total, open).await?.ok_or_else(refused)
}

/// A response's body, whose bytes are counted when they are sent.
pub(super) fn streamed(state: &SharedState, stream: ContentStream) -> Body {
    let sent = state.metrics.sent.clone();
    Body::from_stream(stream.inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            sent.inc_by(chunk.len() as u64);
        }
    }))
}

/// Some bytes of a file, read while they are sent.
fn file_stream(mut file: File, first: u64, length: u64) -> ApiResult<ContentStream> {
    let failed = Error::io("reading", "a stored pack");
    file.seek(SeekFrom::Start(first)).map_err(failed)?;
    let file = tokio::fs::File::from_std(file).take(length);
    let chunks = ReaderStream::with_capacity(file, READ);
    Ok(chunks.map(|chunk| chunk.map_err(Error::io("reading", "a stored pack"))).boxed())
}
