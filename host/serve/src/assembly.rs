//! Limits how many fetch results are assembled at once.

use packhouse_model::error::Result;
use packhouse_model::progress::Progress;
use packhouse_store::joined;

use super::guard::Authorized;
use super::problem::ApiResult;
use super::state::AppState;

/// Waits for a permit to assemble a fetch result, and assembles it. If the client disconnects
/// before that, nothing is started. Afterwards, the work is cancelled, and its permit is freed when
/// it has stopped. Therefore the threads and the memory of all such work are bounded.
pub(super) async fn assembling<T, W>(
    state: &AppState,
    authorized: &Authorized,
    work: impl FnOnce(Progress) -> W,
) -> ApiResult<Result<T>>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let permit = state.permits.assembly().await?;
    // The wait may have been long.
    authorized.recheck(state).await?;
    let progress = Progress::silent();
    let _cancel = CancelOnDrop(progress.clone());
    let work = work(progress);
    let assembling = async move {
        let _permit = permit;
        work.await
    };
    Ok(joined(state.tasks.spawn(assembling)).await?)
}

/// Cancels work when its client disconnects.
struct CancelOnDrop(Progress);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use packhouse_model::access::{Caller, Scope};
    use packhouse_model::names::Visibility;
    use tokio::sync::{Semaphore, mpsc};

    use super::super::limits::ASSEMBLED;
    use super::super::options::ServeOptions;
    use super::*;

    /// Clients that disconnect don't free permits whose work goes on.
    #[tokio::test]
    async fn a_place_goes_with_the_work_and_not_with_who_asked_for_it() {
        let store = crate::testing::store(Visibility::Public).await;
        let state = AppState::new(store, &ServeOptions::default()).await.unwrap();
        let authorized =
            Authorized::of(&state, Caller::Anyone, "a", "b", Scope::Read).await.unwrap();
        let (begun, mut begins) = mpsc::unbounded_channel();
        let go_on = Arc::new(Semaphore::new(0));
        for _ in 0..ASSEMBLED {
            let work = |progress: Progress| {
                let (begun, go_on) = (begun.clone(), go_on.clone());
                async move {
                    begun.send(progress).unwrap();
                    let _ = go_on.acquire().await;
                    Ok(())
                }
            };
            // It starts, and then the client disconnects.
            tokio::select! {
                done = assembling(&state, &authorized, work) => panic!("{done:?}"),
                progress = begins.recv() => assert!(progress.unwrap().is_cancelled(), "it is asked to stop"),
            }
        }
        assert_eq!(state.permits.free_assemblies(), 0, "they are at work still");
        let waits = assembling(&state, &authorized, |_| async { Ok(()) });
        assert!(waits.now_or_never().is_none());
        go_on.add_permits(ASSEMBLED);
        assembling(&state, &authorized, |_| async { Ok(()) }).await.unwrap().unwrap();
        state.tasks.drained().await;
        assert_eq!(state.permits.free_assemblies(), ASSEMBLED);
    }
}
