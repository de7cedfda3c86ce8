//! Reads small bodies into memory.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::StatusCode;
use futures::StreamExt;
use packhouse_store::blocking;
use tokio::time::Instant;

use super::super::body_memory::{BodyMemory, MemoryPermit, MemoryShare};
use super::super::limits::{BODY_SILENCE, BODY_WITHIN};
use super::super::problem::{ApiResult, Problem};
use super::content_length;
use super::pace::{slow, too_slow};

/// Reads a small body into memory, and runs `read` on it off the async threads. The memory of such
/// bodies is bounded: the permit is held as long as the result.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where small bodies are read; those who call this ask again"
)]
pub(crate) async fn whole<T: Send + 'static>(
    memory: &BodyMemory,
    request: Request,
    most: usize,
    read: impl FnOnce(&[u8]) -> ApiResult<T> + Send + 'static,
) -> ApiResult<(T, MemoryPermit)> {
    let share = memory.share_of(&request);
    let length = content_length(request.headers())
        .and_then(|length| usize::try_from(length).ok())
        .map_or(most, |length| length.min(most));
    let body = request.into_body().into_data_stream();
    let coming = collected(body, &share, most, length);
    let (bytes, held) = tokio::time::timeout(BODY_WITHIN, coming).await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the body was not received within 30 s")
    })??;
    // The permit belongs to the work: a client that disconnects does not free it earlier.
    let (value, held) = blocking(move || Ok((read(&bytes), held))).await?;
    Ok((value?, held))
}

/// A body of `length` bytes, as its client declares, and of at most `most`.
async fn collected(
    mut body: BodyDataStream,
    share: &MemoryShare,
    most: usize,
    length: usize,
) -> ApiResult<(Vec<u8>, MemoryPermit)> {
    let (mut bytes, mut held) = (Vec::new(), MemoryPermit::default());
    let (begun, mut waited) = (Instant::now(), Duration::ZERO);
    loop {
        let next = tokio::time::timeout(BODY_SILENCE, body.next()).await.map_err(|_| stalled())?;
        let Some(piece) = next else { return Ok((bytes, held)) };
        let piece = piece.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body was cut off: {error}"))
        })?;
        if bytes.len() + piece.len() > most {
            return Err(Problem::too_much(format!("the body is longer than {most} bytes")));
        }
        let waits = Instant::now();
        held.grow(share, bytes.len() + piece.len(), length).await?;
        // That was the server's time.
        waited += waits.elapsed();
        bytes.extend_from_slice(&piece);
        if too_slow(begun.elapsed().saturating_sub(waited), bytes.len() as u64, BODY_SILENCE) {
            return Err(slow());
        }
    }
}

fn stalled() -> Problem {
    let silence = BODY_SILENCE.as_secs();
    let detail = format!("the body stalled for {silence} s; nothing was changed");
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}
