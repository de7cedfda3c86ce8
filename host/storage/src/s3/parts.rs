//! Parts: their size, and reading and writing local files in parallel.

use std::ops::Range;

/// Bytes of a part, up and down: large enough that a request's fixed cost does not matter, small
/// enough to be sent again.
pub(super) const PART: u64 = 8 << 20;
/// Bytes that are downloaded at once count in these.
pub(super) const PERMIT: u64 = 1 << 20;

/// Runs work on local files off the async threads.
pub(super) async fn disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(std::io::Error::other(e)))
}

/// Ranges of a length each, the last of what is left.
pub(super) fn split(range: Range<u64>, part: u64) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(part as usize).map(move |start| start..(start + part).min(end))
}
