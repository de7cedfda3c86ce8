//! Ctrl-C: the first stops the work at its next safe point, the second exits at once.

use std::future::Future;

use packhouse_host::{Error, Progress};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Interrupted};
use crate::output::Output;

/// Runs a verb. SIGTERM ends it at once, but temporary files are removed and the caller can still
/// close the catalog. Verbs with `handles_signals` handle it themselves.
pub(crate) async fn until_terminated(
    handles_signals: bool,
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    if handles_signals {
        return work.await;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = work => ended,
        _ = terminate.recv() => Ok(Exit::Signal(SignalKind::terminate().as_raw_value() as u8)),
    }
}

/// Whether a verb that prints page by page goes on: not after the reader of its output is gone.
///
/// # Errors
/// [`Error::Cancelled`] after Ctrl-C.
pub(crate) fn goes_on(output: &Output, progress: &Progress) -> Result<bool, Error> {
    match progress.is_cancelled() {
        true => Err(Error::Cancelled),
        false => Ok(!output.is_closed()),
    }
}

/// Runs work that Ctrl-C can stop. The second Ctrl-C drops the work, which removes its temporary
/// folders.
pub(crate) async fn watched<T>(
    output: &Output,
    progress: &Progress,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut work = std::pin::pin!(work);
    let mut cancelled = false;
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            signal = tokio::signal::ctrl_c() => {
                signal?;
                if cancelled {
                    return Err(Interrupted.into());
                }
                cancelled = true;
                progress.cancel();
                output.note("Stopping at the next safe point; press Ctrl-C again to exit at once");
            }
        }
    }
}
