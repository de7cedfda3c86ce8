//! Ctrl-C: the first asks the work to stop where that is safe, the second does not wait for it.

use std::future::Future;

use packhouse_host::Progress;

use crate::output::Output;

/// A second Ctrl-C: the work was left where it stood.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; what was under way left at most files that nothing refers to")]
pub(crate) struct Interrupted;

/// Does the work under Ctrl-C's watch. On the second one the work is dropped, so that its temporary folders go with it.
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
