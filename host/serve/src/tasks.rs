//! Work that continues without its client: the server waits for it before it exits.

use std::sync::Arc;
use std::time::Duration;

use packhouse_store::joined;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::problem::ApiResult;

/// How long the server waits for work that it has cancelled.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Spawns and counts work, and announces that the server stops. Clones share their state.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    closing: watch::Sender<bool>,
    under_way: watch::Sender<usize>,
}

impl Tasks {
    /// Counts work that is spawned elsewhere, until the guard is dropped.
    pub(super) fn guard(&self) -> TaskGuard {
        TaskGuard::begin(self.clone())
    }

    /// Spawns work that the server waits for before it exits.
    pub(super) fn spawn<W>(&self, work: W) -> JoinHandle<W::Output>
    where
        W: Future<Output: Send> + Send + 'static,
    {
        let guard = TaskGuard::begin(self.clone());
        let counted = async move {
            let _guard = guard;
            work.await
        };
        // What it logs has the ID of the request that began it.
        tokio::spawn(counted.in_current_span())
    }

    /// Runs work to its end, also when its client disconnects.
    pub(super) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = ApiResult<T>> + Send + 'static,
    ) -> ApiResult<T> {
        joined(self.spawn(work)).await?
    }

    /// Announces that the server stops.
    pub(super) fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Ends when the server stops.
    pub(super) async fn closed(&self) {
        let mut closing = self.0.closing.subscribe();
        // The sender lives as long as this.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Waits until all work has ended.
    pub(super) async fn drained(&self) {
        let mut under_way = self.0.under_way.subscribe();
        // The sender lives as long as this.
        let ended = under_way.wait_for(|count| *count == 0);
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            let seconds = DRAIN_TIMEOUT.as_secs();
            tracing::warn!("work did not stop within {seconds} s; its result is not published");
        }
    }
}

/// Work in progress, until this is dropped.
#[derive(Debug)]
pub(super) struct TaskGuard(Tasks);

impl TaskGuard {
    fn begin(tasks: Tasks) -> TaskGuard {
        tasks.0.under_way.send_modify(|count| *count += 1);
        TaskGuard(tasks)
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.0.under_way.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_without_its_client_and_the_server_waits_for_it() {
        let tasks = Tasks::default();
        let ((go_on, wait), (done, mut is_done)) = (oneshot::channel(), oneshot::channel());
        let work = async move {
            wait.await.unwrap();
            done.send(()).unwrap();
            Ok(())
        };
        // Its client disconnects as soon as it has begun.
        assert!(tasks.detached(work).now_or_never().is_none());
        assert!(tasks.drained().now_or_never().is_none(), "it is under way");
        go_on.send(()).unwrap();
        tasks.drained().await;
        is_done.try_recv().unwrap();
    }
}
