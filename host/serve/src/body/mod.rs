//! Bodies of requests.
//!
//! ```text
//! small:  socket ─▶ memory, within a limit ─▶ decoded
//! upload: socket ─▶ feed: how much, how silent ─▶ a few chunks ─▶ BodySource, on a thread ─▶ write, hash, read back
//! ```
//!
//! A body that is a pack is written from the network to staging, chunk by chunk, and is never
//! completely in memory. A slow writer slows the client down. If the client disconnects, the work
//! stops, and its partial file in staging is removed at once.

pub(super) mod feed;
mod pace;
pub(super) mod small;
mod source;
pub(super) mod upload;

use axum::http::{HeaderMap, header};

/// The length of a body, as its client declares it.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
