//! Work that must not block the async threads.

use crate::error::{Error, Result};

/// Runs work that computes or waits for files off the async threads. What it logs belongs to the span
/// of the caller.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    joined(tokio::task::spawn_blocking(move || span.in_scope(work))).await?
}

/// Waits for such work. Its panic is passed on: it must not look like a cancellation.
pub async fn joined<T>(work: tokio::task::JoinHandle<T>) -> Result<T> {
    match work.await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Cancelled),
        },
    }
}
