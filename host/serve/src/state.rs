//! What all requests share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::progress::Progress;
use packhouse_store::{Store, joined};
use tokio::sync::{AcquireError, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch};
use url::Url;

use super::ServeOptions;
use super::admin::Runs;
use super::auth::{Authorized, RateLimits};
use super::body_memory::BodyMemory;
use super::health::{ReadinessProbe, ServerMetrics};
use super::limits::{
    ASSEMBLED, AnswerLimits, ServeLimits, UNKEPT, UNKEPT_OF_ONE, UNKEPT_TIMEOUT,
    UPLOAD_SLOT_TIMEOUT, UPLOADS_OF_ONE,
};
use super::problem::{ApiResult, Problem};
use super::proxy::Proxies;
use super::signed::Signer;

pub(super) type SharedState = Arc<AppState>;

/// What all requests share.
#[derive(Debug)]
pub(super) struct AppState {
    pub(super) store: Store,
    pub(super) limits: ServeLimits,
    pub(super) public_url: Option<Url>,
    pub(super) secure: bool,
    /// Allow all requests without a token.
    pub(super) trusting: bool,
    pub(super) signer: Signer,
    pub(super) rate_limits: RateLimits,
    pub(super) proxies: Proxies,
    pub(super) metrics: ServerMetrics,
    pub(super) readiness: ReadinessProbe,
    pub(super) runs: Runs,
    pub(super) memory: BodyMemory,
    pub(super) answers: AnswerLimits,
    /// Uploads that may be taken at once.
    uploads: Arc<Semaphore>,
    /// Packs that may be made at once.
    making: Arc<Semaphore>,
    /// Of those, what one token may have while its bodies come.
    making_of_one: Mutex<HashMap<String, Weak<Semaphore>>>,
    assembled: Arc<Semaphore>,
    /// Packs that are sent at once and not kept.
    unkept: Arc<Semaphore>,
    unkept_of_one: Mutex<HashMap<String, Weak<Semaphore>>>,
    /// Places for uploads of one token.
    places: Mutex<HashMap<String, Weak<Semaphore>>>,
    turns: Mutex<HashMap<RepoName, Weak<tokio::sync::Mutex<()>>>>,
    closing: watch::Sender<bool>,
    /// Work that is done to its end.
    under_way: watch::Sender<usize>,
}

impl AppState {
    pub(super) async fn new(store: Store, options: &ServeOptions) -> Result<AppState> {
        let signer = Signer::new(&store.signing_secret().await?);
        Ok(AppState {
            metrics: ServerMetrics::new(store.component_digest()),
            limits: options.limits.clone(),
            public_url: options.public_url.clone(),
            secure: options.tls.is_some(),
            trusting: options.insecure_loopback,
            signer,
            readiness: ReadinessProbe::default(),
            rate_limits: RateLimits::new(&options.limits),
            proxies: Proxies::new(&options.trusted_proxies),
            runs: Runs::default(),
            memory: BodyMemory::new(),
            answers: AnswerLimits::new(&options.limits, store.disk_bytes()?),
            uploads: Arc::new(Semaphore::new(options.limits.uploads)),
            making: Arc::new(Semaphore::new(options.limits.making)),
            assembled: Arc::new(Semaphore::new(ASSEMBLED)),
            unkept: Arc::new(Semaphore::new(UNKEPT)),
            unkept_of_one: Mutex::default(),
            making_of_one: Mutex::default(),
            places: Mutex::default(),
            turns: Mutex::default(),
            closing: watch::Sender::new(false),
            under_way: watch::Sender::new(0),
            store,
        })
    }

    /// Waits for its turn to change the index of a repo. Pushes of one repo that were prepared
    /// concurrently would only find that the other was faster, and start again.
    pub(super) async fn turn(&self, repo: &RepoName) -> OwnedMutexGuard<()> {
        shared(&self.turns, repo, Arc::default).lock_owned().await
    }

    /// Waits for a place for an upload: no token takes all of them, nor waits for ever.
    pub(super) async fn upload_permit(&self, token: Option<&str>) -> ApiResult<TwoPermits> {
        let places = || Arc::new(Semaphore::new(UPLOADS_OF_ONE));
        let own = token.map(|token| shared(&self.places, &token.to_owned(), places));
        let waiting = async {
            let own = match own {
                Some(own) => Some(own.acquire_owned().await?),
                None => None,
            };
            Ok::<_, AcquireError>(TwoPermits {
                _own: own,
                _all: self.uploads.clone().acquire_owned().await?,
            })
        };
        match tokio::time::timeout(UPLOAD_SLOT_TIMEOUT, waiting).await {
            // They are never closed.
            Ok(room) => room.map_err(|_| Error::Cancelled.into()),
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many uploads at the moment; try again",
            )),
        }
    }

    /// Waits for a slot to assemble an answer, and does it. If the client disconnects before,
    /// nothing is started; afterwards, the work is cancelled, and its slot is freed when it has
    /// stopped: so its threads and its memory are bounded, whoever waits for them.
    pub(super) async fn assembling<T, W>(
        self: &Arc<Self>,
        authorized: &Authorized,
        work: impl FnOnce(Progress) -> W,
    ) -> ApiResult<Result<T>>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        // It is never closed.
        let place = self.assembled.clone().acquire_owned().await.map_err(|_| Error::Cancelled)?;
        // Others may have taken their time.
        authorized.recheck(self).await?;
        let progress = Progress::silent();
        let _asked_for = CancelOnDrop(progress.clone());
        let work = work(progress);
        let assembling = self.tracked(async move {
            let _place = place;
            work.await
        });
        Ok(joined(tokio::spawn(assembling)).await?)
    }

    /// Waits for a place to send a pack that is not kept, until it has been sent: its file takes disk
    /// space that no quota counts.
    pub(super) async fn unkept_permit(&self, authorized: &Authorized) -> ApiResult<TwoPermits> {
        let few = || Arc::new(Semaphore::new(UNKEPT_OF_ONE));
        let own = shared(&self.unkept_of_one, &authorized.counted_by(), few);
        let waiting = async {
            let own = own.clone().acquire_owned().await?;
            Ok::<_, AcquireError>(TwoPermits {
                _own: Some(own),
                _all: self.unkept.clone().acquire_owned().await?,
            })
        };
        match tokio::time::timeout(UNKEPT_TIMEOUT, waiting).await {
            // They are never closed.
            Ok(room) => room.map_err(|_| Error::Cancelled.into()),
            Err(_) => Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "your unexpired fetch results fill your quota, and other packs are being sent; finish reading those, or try again later",
            )),
        }
    }

    /// Waits for its turn to make a pack. The place goes with the work.
    pub(super) async fn making(&self) -> ApiResult<OwnedSemaphorePermit> {
        // It is never closed.
        Ok(self.making.clone().acquire_owned().await.map_err(|_| Error::Cancelled)?)
    }

    /// Waits for its turn to make a pack of a body while it comes. A client may send that slowly: so
    /// no token has more than half of the places.
    pub(super) async fn making_while_it_comes(&self, token: Option<&str>) -> ApiResult<TwoPermits> {
        let half = || Arc::new(Semaphore::new(self.limits.making.div_ceil(2)));
        let own = token.map(|token| shared(&self.making_of_one, &token.to_owned(), half));
        let own = match own {
            // It is never closed.
            Some(own) => Some(own.acquire_owned().await.map_err(|_| Error::Cancelled)?),
            None => None,
        };
        Ok(TwoPermits { _own: own, _all: self.making().await? })
    }

    /// Runs work to its end, also when its client disconnects. The server waits for it before it
    /// stops.
    pub(super) async fn detached<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = ApiResult<T>> + Send + 'static,
    ) -> ApiResult<T> {
        joined(tokio::spawn(self.tracked(work))).await?
    }

    /// Work that the server waits for before it ends, from now on.
    pub(super) fn tracked<W: Future>(
        self: &Arc<Self>,
        work: W,
    ) -> impl Future<Output = W::Output> + use<W> {
        let guard = TaskGuard::begin(self.clone());
        async move {
            let _guard = guard;
            work.await
        }
    }

    /// Asks what goes on for long to end: the server stops.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
        self.runs.stop_all();
    }

    /// Ends when the server stops.
    pub(super) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        // The sender lives as long as this.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Waits until work that no request waits for has ended.
    pub(super) async fn drained(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender lives as long as this.
        let ended = under_way.wait_for(|count| *count == 0);
        if tokio::time::timeout(Duration::from_secs(30), ended).await.is_err() {
            tracing::warn!("work did not stop within 30 s; its result is not published");
        }
    }
}

/// Cancels work when its client is gone.
struct CancelOnDrop(Progress);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Work that is done, until this is dropped.
struct TaskGuard(SharedState);

impl TaskGuard {
    fn begin(state: SharedState) -> TaskGuard {
        state.under_way.send_modify(|count| *count += 1);
        TaskGuard(state)
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

/// A place among all, and among those of one caller, until it is dropped.
#[derive(Debug)]
pub(super) struct TwoPermits {
    _own: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

/// What all have who ask for the same key, for as long as one of them has it.
pub(super) fn shared<K: Clone + Eq + Hash, T>(
    all: &Mutex<HashMap<K, Weak<T>>>,
    key: &K,
    make: impl FnOnce() -> Arc<T>,
) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, one| one.strong_count() > 0);
    if let Some(one) = all.get(key).and_then(Weak::upgrade) {
        return one;
    }
    let one = make();
    all.insert(key.clone(), Arc::downgrade(&one));
    one
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tempfile::TempDir;
    use tokio::sync::mpsc;

    use super::*;
    use packhouse_host::StoreOptions;
    use packhouse_model::access::{Caller, Scope};
    use packhouse_model::names::Visibility;

    /// Clients that disconnect don't free slots whose work goes on.
    #[tokio::test]
    async fn a_place_goes_with_the_work_and_not_with_who_asked_for_it() {
        let folder = TempDir::new().unwrap();
        let store = StoreOptions::embedded(folder.path()).open().await.unwrap();
        store.create_repo(&"a/b".parse().unwrap(), Visibility::Public).await.unwrap();
        let state = Arc::new(AppState::new(store, &ServeOptions::default()).await.unwrap());
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
                done = state.assembling(&authorized, work) => panic!("{done:?}"),
                progress = begins.recv() => assert!(progress.unwrap().is_cancelled(), "it is asked to stop"),
            }
        }
        assert_eq!(state.assembled.available_permits(), 0, "they are at work still");
        let waits = state.assembling(&authorized, |_| async { Ok(()) });
        assert!(waits.now_or_never().is_none());
        go_on.add_permits(ASSEMBLED);
        state.assembling(&authorized, |_| async { Ok(()) }).await.unwrap().unwrap();
        state.drained().await;
        assert_eq!(state.assembled.available_permits(), ASSEMBLED);
    }
}
