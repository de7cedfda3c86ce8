//! MWP: what Muse clients say, under `/{owner}/{slug}`.
//!
//! Bodies are MessagePack. Small ones are read whole, within a limit; those with objects or history go to a file as they come, are looked
//! through there, and become a pack (see [`bundle`]). Which repo, whether it may be seen and what may be done with it is settled
//! before a byte of a body is read.

mod bundle;
mod form;
mod push;
mod read;
mod scroll;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, RequestPartsExt};

use super::guard::Admitted;
use super::house::Shared;
use super::problem::{Answer, Problem};
use crate::access::{Caller, Scope};

pub(super) use form::{Form, MSGPACK, say};

pub(super) fn routes(house: &Shared) -> Router<Shared> {
    let readers = Router::new()
        .route("/{owner}/{slug}/refs", get(read::refs))
        .route("/{owner}/{slug}/filter-objects", post(read::filter_objects))
        .route("/{owner}/{slug}/negotiate", post(read::negotiate))
        .route("/{owner}/{slug}/fetch", post(read::fetch))
        .route("/{owner}/{slug}/fetch/mpack", post(read::fetch_mpack))
        .route("/{owner}/{slug}/presign", post(read::presign))
        .route_layer(from_fn_with_state(house.clone(), may_read));
    let writers = Router::new()
        .route("/{owner}/{slug}/push/objects", post(push::objects))
        .route("/{owner}/{slug}/push", post(push::push))
        .route("/{owner}/{slug}/tags", post(push::tags))
        .route_layer(from_fn_with_state(house.clone(), may_push));
    readers.merge(writers).route_layer(from_fn(in_their_form))
}

async fn may_read(state: State<Shared>, request: Request, next: Next) -> Answer<Response> {
    admitted(state, Scope::Read, request, next).await
}

async fn may_push(state: State<Shared>, request: Request, next: Next) -> Answer<Response> {
    admitted(state, Scope::Push, request, next).await
}

/// Lets a request pass with what it is about: [`Admitted`].
async fn admitted(State(house): State<Shared>, scope: Scope, request: Request, next: Next) -> Answer<Response> {
    let (mut parts, body) = request.into_parts();
    let Path((owner, slug)) = parts.extract::<Path<(String, String)>>().await.map_err(|_| Problem::no_repo("?"))?;
    let caller = parts.extract::<Extension<Caller>>().await.map_or(Caller::Anyone, |Extension(caller)| caller);
    let admitted = Admitted::of(&house, caller, &owner, &slug, scope).await?;
    parts.extensions.insert(admitted);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Says problems in the form that the client reads, and nothing of the server's insides.
async fn in_their_form(request: Request, next: Next) -> Response {
    let form = Form::of(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => say(form, problem.for_strangers()),
        None => response,
    }
}
