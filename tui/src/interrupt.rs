//! Ctrl-C: the first asks the work to stop where that is safe, the second does not wait for it.

use std::future::Future;

use packhouse_host::Progress;

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::output::Output;

/// A second Ctrl-C: the work was left where it stood.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; what was under way left at most files that nothing refers to")]
pub(crate) struct Interrupted;

/// Does what a call asks for. SIGTERM ends it where it stands, as it does to any program; but
/// temporary files go with it, and the caller can put the catalog in order. Work that
/// `handles_signals` does so itself.
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

/// Does the work under Ctrl-C's watch. On the second one the work is dropped, so that its temporary
/// folders go with it.
pub(crate) async fn watched<T>(
    output: &Output,
    progress: &Progress,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut work = std::pin::pin!(work);
    let mut asked = false;
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            signal = tokio::signal::ctrl_c() => {
                signal?;
                if asked {
                    return Err(Interrupted.into());
                }
                asked = true;
                progress.cancel();
                output.note("stopping at the next safe point; Ctrl-C again leaves at once");
            }
        }
    }
}
