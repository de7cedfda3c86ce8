//! Options of a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use packhouse_worker::WorkerOptions;
use url::Url;

use super::address::Network;
use super::limits::ServeLimits;

/// Options of a server.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen. Port 0 for any free one.
    pub listen: SocketAddr,
    /// Certificate and key; none: plain HTTP, for a proxy or for this machine.
    pub tls: Option<TlsFiles>,
    /// The server's URL for clients behind a proxy, if it differs from their Host header.
    pub public_url: Option<Url>,
    /// Allow all requests from this machine without a token. Only for a loopback address.
    pub insecure_loopback: bool,
    /// Workers in this process; 0: none.
    pub workers: usize,
    /// Their options.
    pub worker: WorkerOptions,
    /// Limits for clients.
    pub limits: ServeLimits,
    /// How long requests in progress may take to finish on shutdown.
    pub shutdown_timeout: Duration,
    /// How long a request takes until it is logged as slow; 0: never.
    pub slow_after: Duration,
    /// Proxies whose X-Forwarded headers are trusted.
    pub trusted_proxies: Vec<Network>,
    /// An address for metrics, without a token; none: at `/metrics`, for administrators of the
    /// store.
    pub metrics_listen: Option<SocketAddr>,
    /// Accept the tokens of a MuseHub; none: only those of the store.
    pub hub_tokens: Option<HubTokenFiles>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 7070)),
            tls: None,
            public_url: None,
            insecure_loopback: false,
            workers: 1,
            worker: WorkerOptions::default(),
            limits: ServeLimits::default(),
            shutdown_timeout: Duration::from_secs(30),
            slow_after: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            metrics_listen: None,
            hub_tokens: None,
        }
    }
}

/// What the tokens of a MuseHub are verified with.
#[derive(Clone, Debug)]
pub struct HubTokenFiles {
    /// A file with its `ACCESS_TOKEN_SECRET`.
    pub secret: PathBuf,
    /// A file with the ID of a user, and `OWNER/SLUG` or `OWNER/*`, on each line.
    pub repos: PathBuf,
}

/// Certificate and key of the server, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Its certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}
