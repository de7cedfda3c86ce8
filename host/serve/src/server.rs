//! A server: its sockets, its workers, and its shutdown.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use packhouse_model::error::{Error, Result};
use packhouse_model::report::JobEnded;
use packhouse_store::Store;
use packhouse_worker::{Stop, Worker, WorkerOptions};

use super::connections::Connections;
use super::health;
use super::limits::ServeLimits;
use super::listener::{Listener, listen, load_tls};
use super::open_files::OpenFiles;
use super::options::ServeOptions;
use super::router::router;
use super::state::{AppState, SharedState};

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
        check_options(&options)?;
        let tls = match &options.tls {
            None => None,
            Some(files) => Some(load_tls(files).await?),
        };
        let listener = listen(options.listen)?;
        let address =
            listener.local_addr().map_err(Error::io("listening on", options.listen.to_string()))?;
        let metrics = options.metrics_listen.map(listen).transpose()?;
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

    /// Serves until it is stopped; then accepts no more requests, waits for those in progress, and
    /// releases its jobs. `on_ended` is called with every finished attempt at a job.
    ///
    /// # Errors
    /// When it can't listen any more, or its workers can't take jobs from the catalog.
    pub async fn run(
        self,
        stop: Stop,
        on_ended: impl Fn(&JobEnded) + Send + Sync + 'static,
    ) -> Result<()> {
        let Server { state, options, listener, address, metrics, tls } = self;
        let failed = |source: io::Error| Error::Io {
            doing: "serving on",
            path: address.to_string().into(),
            source,
        };
        let limited = |socket: TcpListener, limits: &ServeLimits| {
            let counts = state.metrics.connections.clone();
            let connections = Connections::new(limits, state.proxies.clone(), counts);
            Listener::new(socket, connections).map_err(failed)
        };
        let main = limited(listener, &options.limits)?;
        let metrics =
            metrics.map(|socket| limited(socket, &metrics_limits(&options.limits))).transpose()?;

        let handles = metrics.iter().map(Listener::handle).chain([main.handle()]).collect();
        let stopping = tokio::spawn(shut_down_when_asked(
            stop.clone(),
            state.clone(),
            handles,
            options.shutdown_timeout,
        ));
        let expiring = tokio::spawn(expire_answers(state.store.clone()));
        let measuring = metrics.map(|metrics| {
            let app = health::measured(state.clone());
            tokio::spawn(async move { metrics.serve(app, None).await })
        });
        let app = router(state.clone());
        let serving = async { main.serve(app, tls).await.map_err(failed) };
        let working = work(state.clone(), options, stop.clone(), on_ended);
        let (served, worked) = together(serving, working, &stop).await;

        stopping.abort();
        expiring.abort();
        if let Some(measuring) = measuring {
            measuring.abort();
        }
        state.close();
        state.tasks.drained().await;
        served.and(worked)
    }
}

/// Refuses options that contradict each other.
fn check_options(options: &ServeOptions) -> Result<()> {
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
    Ok(())
}

/// Connections for metrics.
const METRICS_CONNECTIONS: usize = 16;

/// The limits of the address for metrics.
fn metrics_limits(limits: &ServeLimits) -> ServeLimits {
    ServeLimits {
        connections: METRICS_CONNECTIONS,
        connections_per_address: Some(METRICS_CONNECTIONS),
        ..limits.clone()
    }
}

/// Shuts the sockets down when the server is asked to stop.
async fn shut_down_when_asked(
    stop: Stop,
    state: SharedState,
    handles: Vec<Handle<SocketAddr>>,
    timeout: Duration,
) {
    stop.when_asked().await;
    // First close open streams.
    state.close();
    for handle in handles {
        handle.graceful_shutdown(Some(timeout));
    }
}

/// Runs jobs until the server stops. If its workers fail, the server stops, too.
async fn work(
    state: SharedState,
    options: ServeOptions,
    stop: Stop,
    on_ended: impl Fn(&JobEnded) + Send + Sync + 'static,
) -> Result<()> {
    if options.workers == 0 {
        // It does not end before the server.
        stop.when_asked().await;
        return Ok(());
    }
    let worker = WorkerOptions {
        concurrency: options.workers,
        shutdown_timeout: options.shutdown_timeout,
        ..options.worker
    };
    let store = state.store.clone();
    let on_ended = move |ended: &JobEnded| {
        state.metrics.jobs.count(ended);
        on_ended(ended);
    };
    let worked = Worker::new(store, worker, stop.clone()).run(on_ended).await;
    stop.ask();
    worked
}

/// How often expired fetch results are deleted.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(10);

/// Periodically deletes expired fetch results, also those of other servers of the store.
async fn expire_answers(store: Store) {
    loop {
        tokio::time::sleep(EXPIRE_INTERVAL).await;
        if let Err(error) = store.expire_all_answers().await {
            tracing::warn!("expired fetch results could not be deleted: {error}");
        }
    }
}

/// Awaits both; when one ends, the other is stopped.
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
