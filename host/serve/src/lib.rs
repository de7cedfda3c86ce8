//! A store as a Muse remote, and its administration API.
//!
//! ```text
//! /{owner}/{slug}/…          the protocol of Muse clients        mwp
//! /{owner}/{slug}/packs/KEY  packs, by signed URLs that expire   packs
//! /admin/v1/…                every verb, for consoles and CLIs   admin
//! /health /healthz /readyz /metrics                              health
//! ```
//!
//! Every request passes `auth` first: authentication and rate limits. Every error is JSON
//! (`json_errors`), and the rest of a refused body is read (`drain`), so that clients get the
//! reason. Only this folder names axum.

mod admin;
mod auth;
mod body;
mod body_memory;
mod connections;
mod decode;
mod drain;
mod health;
mod json_errors;
mod limits;
mod mwp;
mod open_files;
mod packs;
mod problem;
mod proxy;
mod signed;
mod state;

use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use connections::{ConnectionAcceptor, Connections};
use drain::DrainState;
use packhouse_model::error::{Error, Result};
use packhouse_model::report::JobEnded;
use packhouse_store::Store;
use packhouse_worker::{Stop, Worker, WorkerOptions};
use url::Url;

pub use limits::ServeLimits;
use limits::{HANDSHAKE, HEAD, PING, RESETS, STREAMS};
pub use open_files::OpenFiles;
pub use proxy::Network;
use state::{AppState, SharedState};

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen. Port 0: any that is free.
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
    /// How long running requests may go on when the server is asked to stop.
    pub shutdown_timeout: Duration,
    /// Proxies whose X-Forwarded headers are trusted.
    pub trusted_proxies: Vec<Network>,
    /// An address for metrics, without a token; none: at `/metrics`, for administrators of the
    /// store.
    pub metrics_listen: Option<SocketAddr>,
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
            trusted_proxies: Vec::new(),
            metrics_listen: None,
        }
    }
}

/// Certificate and key of the server, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Its certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    state: SharedState,
    options: ServeOptions,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Option<TcpListener>,
    tls: Option<RustlsConfig>,
}

impl Server {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the address is in use; when the certificate is not usable; [`Error::Usage`] for options
    /// that contradict each other.
    pub async fn bind(store: Store, mut options: ServeOptions) -> Result<Server> {
        let listen = options.listen;
        if options.insecure_loopback && !listen.ip().is_loopback() {
            return Err(Error::Usage(format!(
                "--insecure-loopback allows all requests without a token, so it requires a loopback address, and {listen} is not one; listen on 127.0.0.1, or create tokens: packhouse token create"
            )));
        }
        if options.insecure_loopback && !options.trusted_proxies.is_empty() {
            return Err(Error::Usage(
                "--insecure-loopback allows all requests, and behind a proxy these are all that reach the proxy; remove --insecure-loopback or --trusted-proxy".into(),
            ));
        }
        let tls = match &options.tls {
            None => None,
            Some(files) => Some(tls(files).await?),
        };
        let failed =
            |source| Error::Io { doing: "listening on", path: listen.to_string().into(), source };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let metrics = options.metrics_listen.map(|listen| {
            TcpListener::bind(listen).map_err(|source| Error::Io {
                doing: "listening on",
                path: listen.to_string().into(),
                source,
            })
        });
        let metrics = metrics.transpose()?;
        let most = OpenFiles::raised().connections();
        if options.limits.connections > most {
            tracing::warn!("limited to {most} connections by the limit on open files (ulimit -n)");
            options.limits.connections = most;
        }
        let state = AppState::new(store, &options).await?;
        Ok(Server { state: Arc::new(state), options, listener, address, metrics, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for metrics, if there is a separate one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|metrics| metrics.local_addr().ok())
    }

    /// The URL of this machine's clients.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = match self.address.ip() {
            ip if ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V6(ip) => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        format!("{scheme}://{host}:{}", self.address.port())
    }

    /// Serves until it is stopped; then accepts no more requests, lets those in progress end, and
    /// releases its jobs. `on_ended` is called with every attempt at a job that ends here.
    ///
    /// # Errors
    /// When it can't listen any more, or its workers can't take jobs from the catalog.
    pub async fn run(
        self,
        stop: Stop,
        on_ended: impl Fn(&JobEnded) + Send + Sync + 'static,
    ) -> Result<()> {
        let Server { state, options, listener, address, metrics, tls } = self;
        let (handle, measuring) = (Handle::new(), Handle::new());
        let stopping = {
            let (state, handle, stop, timeout) =
                (state.clone(), handle.clone(), stop.clone(), options.shutdown_timeout);
            let measuring = measuring.clone();
            tokio::spawn(async move {
                stop.when_asked().await;
                // Open streams end first.
                state.close();
                measuring.graceful_shutdown(Some(timeout));
                handle.graceful_shutdown(Some(timeout));
            })
        };
        let working = {
            let (state, stop, workers) = (state.clone(), stop.clone(), options.workers);
            let options = WorkerOptions {
                concurrency: workers.max(1),
                shutdown_timeout: options.shutdown_timeout,
                ..options.worker
            };
            async move {
                if workers == 0 {
                    // It does not end before the server.
                    stop.when_asked().await;
                    return Ok(());
                }
                let counted = state.clone();
                let on_ended = move |ended: &JobEnded| {
                    counted.metrics.jobs.count(ended);
                    on_ended(ended);
                };
                let worked =
                    Worker::new(state.store.clone(), options, stop.clone()).run(on_ended).await;
                // If its workers have failed, the server stops as well.
                stop.ask();
                worked
            }
        };
        let failed =
            |source| Error::Io { doing: "serving on", path: address.to_string().into(), source };
        let connections = Connections::new(&options.limits, state.proxies.clone());
        let watching = tokio::spawn(connections.clone().watch());
        let expiring = tokio::spawn(expire_answers(state.store.clone()));
        let app = router(state.clone())
            .layer(axum::middleware::from_fn_with_state(connections.clone(), connections::count))
            .into_make_service_with_connect_info::<SocketAddr>();
        let server = listening(listener, handle).map_err(failed)?;
        let acceptor = ConnectionAcceptor(connections);
        let measured = match metrics {
            None => None,
            Some(listener) => {
                let few = ServeLimits {
                    connections: METRICS_CONNECTIONS,
                    connections_of_one: Some(METRICS_CONNECTIONS),
                    ..options.limits.clone()
                };
                let connections = Connections::new(&few, state.proxies.clone());
                let app = health::measured(state.clone())
                    .layer(axum::middleware::from_fn_with_state(
                        connections.clone(),
                        connections::count,
                    ))
                    .into_make_service_with_connect_info::<SocketAddr>();
                let server = listening(listener, measuring)
                    .map_err(failed)?
                    .acceptor(ConnectionAcceptor(connections.clone()));
                Some((
                    tokio::spawn(async move { server.serve(app).await }),
                    tokio::spawn(connections.watch()),
                ))
            }
        };
        let serving = async move {
            let served = match tls {
                Some(tls) => {
                    let tls = RustlsAcceptor::new(tls).handshake_timeout(HANDSHAKE);
                    server.acceptor(tls.acceptor(acceptor)).serve(app).await
                }
                None => server.acceptor(acceptor).serve(app).await,
            };
            served.map_err(failed)
        };
        let (served, worked) = together(serving, working, &stop).await;
        stopping.abort();
        watching.abort();
        expiring.abort();
        if let Some((serving, watching)) = measured {
            watching.abort();
            serving.abort();
        }
        state.close();
        state.drained().await;
        served.and(worked)
    }
}

/// Connections for metrics.
const METRICS_CONNECTIONS: usize = 16;

/// How often expired answers are removed.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(10);

/// Removes expired answers, again and again, also those of other servers of the store.
async fn expire_answers(store: Store) {
    loop {
        tokio::time::sleep(EXPIRE_INTERVAL).await;
        if let Err(error) = store.expire_all_answers().await {
            tracing::warn!("expired fetch results could not be deleted: {error}");
        }
    }
}

/// How long a client may take to send the headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// The listener, with limits on what one connection may ask for.
fn listening(
    listener: TcpListener,
    handle: Handle<SocketAddr>,
) -> std::io::Result<axum_server::Server<SocketAddr>> {
    let mut server =
        axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(HEADERS_TIMEOUT);
    let http = server.http_builder();
    http.http1().header_read_timeout(HEADERS_TIMEOUT).max_headers(100).max_buf_size(256 << 10);
    http.http2()
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .max_header_list_size(HEAD)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    Ok(server)
}

/// Awaits both; when one ends, the other is asked to.
async fn together<A, B>(
    serving: impl Future<Output = A>,
    working: impl Future<Output = B>,
    stop: &Stop,
) -> (A, B) {
    let serving = async {
        let served = serving.await;
        stop.ask();
        served
    };
    tokio::join!(serving, working)
}

async fn tls(files: &TlsFiles) -> Result<RustlsConfig> {
    // Others in this process may have chosen it already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (certificate, key) = (&files.certificate, &files.key);
    RustlsConfig::from_pem_file(certificate, key).await.map_err(|source| {
        let path = format!("{} with {}", certificate.display(), key.display());
        Error::Io { doing: "using the certificate", path: path.into(), source }
    })
}

/// All routes.
fn router(state: SharedState) -> Router {
    Router::new()
        .merge(mwp::routes(&state))
        .merge(packs::routes())
        .merge(admin::routes())
        .merge(health::routes())
        .fallback(auth::not_found)
        .method_not_allowed_fallback(auth::method_not_allowed)
        .layer(from_fn(json_errors::json_errors))
        .layer(from_fn_with_state(state.clone(), auth::authenticate))
        .layer(from_fn_with_state(DrainState::new(&state), drain::drain))
        .with_state(state)
}
