//! What all requests share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, Semaphore, watch};
use url::Url;

use super::ServeOptions;
use super::admin::Runs;
use super::guard::Rates;
use super::health::ServerMetrics;
use super::limits::Limits;
use super::signed::Signer;
use crate::error::Result;
use crate::names::RepoName;
use crate::store::Store;

pub(super) type Shared = Arc<House>;

/// What all requests share.
#[derive(Debug)]
pub(super) struct House {
    pub(super) store: Store,
    pub(super) limits: Limits,
    pub(super) public_url: Option<Url>,
    pub(super) secure: bool,
    /// Whether everybody may do everything.
    pub(super) trusting: bool,
    pub(super) signer: Signer,
    pub(super) rates: Rates,
    pub(super) metrics: ServerMetrics,
    pub(super) runs: Runs,
    /// Uploads that may be taken at once.
    pub(super) uploads: Arc<Semaphore>,
    /// Packs that may be made at once.
    pub(super) making: Arc<Semaphore>,
    turns: Mutex<HashMap<RepoName, Weak<tokio::sync::Mutex<()>>>>,
    closing: watch::Sender<bool>,
}

impl House {
    pub(super) async fn new(store: Store, options: &ServeOptions) -> Result<House> {
        let signer = Signer::new(&store.signing_secret().await?);
        Ok(House {
            metrics: ServerMetrics::new(store.component_digest()),
            limits: options.limits.clone(),
            public_url: options.public_url.clone(),
            secure: options.tls.is_some(),
            trusting: options.insecure_loopback,
            signer,
            rates: Rates::new(&options.limits),
            runs: Runs::default(),
            uploads: Arc::new(Semaphore::new(options.limits.uploads)),
            making: Arc::new(Semaphore::new(options.limits.making)),
            turns: Mutex::default(),
            closing: watch::Sender::new(false),
            store,
        })
    }

    /// Waits for its turn to change the index of a repo. Pushes of one repo that were prepared at once would only find that the other was
    /// faster, and begin anew.
    pub(super) async fn turn(&self, repo: &RepoName) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(repo).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::default();
                    turns.insert(repo.clone(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
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
        let waited = tokio::time::timeout(Duration::from_secs(30), self.runs.all_ended()).await;
        if waited.is_err() {
            tracing::warn!("runs that were asked to stop did not within half a minute; what they make is not published");
        }
    }
}
