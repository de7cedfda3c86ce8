//! Small bodies of Muse clients.

use axum::extract::Request;
use axum::http::header;
use serde::de::DeserializeOwned;

use super::super::body;
use super::super::body_memory::MemoryPermit;
use super::super::decode::{self, Malformed};
use super::super::guard::Authorized;
use super::super::problem::ApiResult;
use super::super::state::AppState;

/// A small body of at most `most` bytes: MessagePack, or JSON by its content type. The caller's
/// permission is checked again afterwards.
///
/// It takes a part of the server's memory; the permit is held as long as the result.
pub(super) async fn small<T: DeserializeOwned + Send + 'static>(
    state: &AppState,
    authorized: &Authorized,
    request: Request,
    most: usize,
) -> ApiResult<(T, MemoryPermit)> {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let read = move |body: &[u8]| {
        let read = if json { decode::json(body) } else { decode::msgpack(body) };
        read.map_err(Malformed::problem)
    };
    whole(state, authorized, request, most, read).await
}

/// A small body, and the result of `read` on it, run off the async threads. As [`small`] otherwise.
pub(super) async fn whole<T: Send + 'static>(
    state: &AppState,
    authorized: &Authorized,
    request: Request,
    most: usize,
    read: impl FnOnce(&[u8]) -> ApiResult<T> + Send + 'static,
) -> ApiResult<(T, MemoryPermit)> {
    let come = body::small::whole(&state.memory, request, most, read).await;
    // A caller without permission learns nothing about errors in the body.
    authorized.recheck(state).await?;
    come
}
