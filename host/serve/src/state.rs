//! The state that all requests share.
//!
//! The parts don't know this type: each takes what it needs. Therefore they import no request
//! handler, and there are no circular imports.

use std::sync::Arc;
use std::time::Duration;

use packhouse_model::error::Result;
use packhouse_store::Store;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::bearers::Bearers;
use super::body_memory::BodyMemory;
use super::hub_tokens::HubTokens;
use super::limits::{RequestLimits, ServeLimits};
use super::metrics::ServerMetrics;
use super::options::ServeOptions;
use super::permits::Permits;
use super::proxy::Proxies;
use super::rate_limit::RateLimits;
use super::readiness::ReadinessProbe;
use super::runs::Runs;
use super::signed::Signer;
use super::tasks::{TaskGuard, Tasks};

pub(super) type SharedState = Arc<AppState>;

/// The state that all requests share.
#[derive(Debug)]
pub(super) struct AppState {
    pub(super) store: Store,
    pub(super) limits: ServeLimits,
    pub(super) public_url: Option<Url>,
    /// Whether the server itself speaks TLS.
    pub(super) secure: bool,
    /// Allow all requests without a token.
    pub(super) trusting: bool,
    /// A random number per start of the server.
    pub(super) start: u64,
    /// How long a request takes until it is logged as slow; 0: never.
    pub(super) slow_after: Duration,
    pub(super) signer: Signer,
    pub(super) rate_limits: RateLimits,
    pub(super) proxies: Proxies,
    pub(super) bearers: Bearers,
    pub(super) metrics: ServerMetrics,
    pub(super) readiness: ReadinessProbe,
    pub(super) memory: BodyMemory,
    pub(super) requests: RequestLimits,
    pub(super) permits: Permits,
    pub(super) tasks: Tasks,
    pub(super) runs: Arc<Runs>,
}

impl AppState {
    pub(super) async fn new(store: Store, options: &ServeOptions) -> Result<AppState> {
        let signer = Signer::new(&store.signing_secret().await?);
        let limits = options.limits.clone();
        let tasks = Tasks::default();
        let hub = options.hub_tokens.as_ref().map(HubTokens::read).transpose()?;
        let bearers = Bearers::new(store.clone(), hub);
        Ok(AppState {
            public_url: options.public_url.clone(),
            secure: options.tls.is_some(),
            trusting: options.insecure_loopback,
            start: random_number(store.random_id()),
            slow_after: options.slow_after,
            signer,
            rate_limits: RateLimits::new(&limits),
            proxies: Proxies::new(&options.trusted_proxies),
            bearers: bearers.clone(),
            metrics: ServerMetrics::new(store.component_digest(), store.now()),
            readiness: ReadinessProbe::default(),
            memory: BodyMemory::new(),
            requests: RequestLimits::new(&limits, store.disk_bytes()?),
            permits: Permits::new(&limits),
            runs: Arc::new(Runs::new(tasks.clone(), bearers)),
            tasks,
            limits,
            store,
        })
    }

    /// Waits for a permit to plan an answer: the threads and the memory of planning are bounded. It
    /// is held until the planning has ended, whether or not its client is still there, and the server
    /// waits for that before it exits.
    pub(super) async fn permit_to_plan(&self) -> Result<(OwnedSemaphorePermit, TaskGuard)> {
        Ok((self.permits.plan().await?, self.tasks.guard()))
    }

    /// How clients send a token.
    pub(super) fn login_hint(&self) -> String {
        let hub = self.public_url.as_ref().map_or("URL", |url| url.as_str().trim_end_matches('/'));
        format!(
            "muse auth login --hub {hub} --token TOKEN (packhouse --remote: PACKHOUSE_TOKEN=TOKEN)"
        )
    }

    /// Stops long-running work on shutdown.
    pub(super) fn close(&self) {
        self.tasks.close();
        self.runs.stop_all();
    }
}

fn random_number(id: [u8; 16]) -> u64 {
    id[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
