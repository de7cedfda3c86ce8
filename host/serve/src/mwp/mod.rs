//! MWP: the protocol of Muse clients, under `/{owner}/{slug}`.
//!
//! Bodies are MessagePack. Small ones are read into memory, within a limit. Those with objects or
//! history are written to a file as they arrive, parsed there, and converted to a pack (see
//! [`bundle`]). The repo and the permissions of the caller are checked before a byte of the body is
//! read.

mod body_reader;
mod bundle;
mod ids;
mod push;
mod read;
mod releases;
mod small_body;
mod values;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, RequestPartsExt};
use packhouse_model::access::{Caller, Scope};
use serde::Deserialize;

use super::guard::Authorized;
use super::problem::{ApiResult, Problem};
use super::state::SharedState;

pub(super) fn routes(state: &SharedState) -> Router<SharedState> {
    let readers = Router::new()
        .route("/{owner}/{slug}/refs", get(read::refs))
        .route("/{owner}/{slug}/filter-objects", post(read::filter_objects))
        .route("/{owner}/{slug}/negotiate", post(read::negotiate))
        .route("/{owner}/{slug}/fetch", post(read::fetch))
        .route("/{owner}/{slug}/fetch/mpack", post(read::fetch_mpack))
        .route("/{owner}/{slug}/presign", post(read::presign))
        .route("/{owner}/{slug}/releases", get(releases::list))
        .route_layer(from_fn_with_state(state.clone(), may_read));
    let writers = Router::new()
        .route("/{owner}/{slug}/push/objects", post(push::objects))
        .route("/{owner}/{slug}/push", post(push::push))
        .route("/{owner}/{slug}/tags", post(push::tags))
        .route("/{owner}/{slug}/releases", post(releases::post))
        .route("/{owner}/{slug}/releases/{*tag}", delete(releases::delete))
        .route_layer(from_fn_with_state(state.clone(), may_push));
    readers.merge(writers).route_layer(from_fn(for_strangers))
}

/// The parts of a path that name the repo.
#[derive(Deserialize)]
struct RepoPath {
    owner: String,
    slug: String,
}

async fn may_read(state: State<SharedState>, request: Request, next: Next) -> ApiResult<Response> {
    authorized(state, Scope::Read, request, next).await
}

async fn may_push(state: State<SharedState>, request: Request, next: Next) -> ApiResult<Response> {
    authorized(state, Scope::Push, request, next).await
}

/// Passes on a request with its [`Authorized`].
async fn authorized(
    State(state): State<SharedState>,
    scope: Scope,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    let (mut parts, body) = request.into_parts();
    let Path(RepoPath { owner, slug }) =
        parts.extract::<Path<RepoPath>>().await.map_err(|_| Problem::no_repo("?"))?;
    let caller = parts
        .extract::<Extension<Caller>>()
        .await
        .map_or(Caller::Anyone, |Extension(caller)| caller);
    let authorized = Authorized::of(&state, caller, &owner, &slug, scope)
        .await?
        .with_address(parts.extensions.get());
    parts.extensions.insert(authorized);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Keeps internals of the server out of responses.
async fn for_strangers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.for_strangers().into_response(),
        None => response,
    }
}
