//! `packhouse serve`: runs the server until it is stopped.

use packhouse_host::JobEnded;
use packhouse_host::serve::{ServeLimits, ServeOptions, Server, TlsFiles};
use packhouse_host::worker::{Stop, WorkerOptions};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::worker::{line, own_name};
use crate::args;
use crate::context::Context;
use crate::exit::Exit;
use crate::text::duration;

/// Printed once the server accepts requests.
#[derive(Serialize)]
struct Listening {
    /// The address and the port.
    address: String,
    /// The base URL for clients on this machine.
    url: String,
    /// The address that serves metrics without a token, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
    /// Whether requests need no token.
    insecure_loopback: bool,
    /// Concurrent jobs.
    workers: u8,
}

/// Runs the server. SIGTERM and Ctrl-C stop it; requests and jobs get time to finish.
pub(crate) async fn run(args: args::Serve, context: &Context) -> anyhow::Result<Exit> {
    // First of all, so that signals count while the store is opened, too.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let store = context.open_or_new("serve").await?;
    let (workers, shutdown_timeout) = (args.workers, args.shutdown_timeout);
    let options = options(args);
    let insecure = options.insecure_loopback;
    let server = Server::bind(store, options).await?;
    let output = &context.output;
    let listening = Listening {
        address: server.address().to_string(),
        url: server.url(),
        metrics: server.metrics_address().map(|address| address.to_string()),
        insecure_loopback: insecure,
        workers,
    };
    output.result(&listening, || {
        let mut lines = vec![format!("Serving on {}; the URL of a remote is {}/OWNER/SLUG. Press Ctrl-C to stop", listening.address, listening.url)];
        lines.extend(insecure.then(|| {
            "Requests from this machine need no token (--insecure-loopback); use this for tests only".to_owned()
        }));
        lines
    })?;
    let stop = Stop::default();
    let (asks, notes) = (stop.clone(), output.clone());
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        notes.note(format!(
            "Shutting down: requests and jobs have {} to finish",
            duration(shutdown_timeout.as_millis() as u64)
        ));
        asks.ask();
    });
    let notes = output.clone();
    server.run(stop, move |ended: &JobEnded| notes.note(line(ended, &notes))).await?;
    Ok(Exit::Done)
}

fn options(args: args::Serve) -> ServeOptions {
    let worker = WorkerOptions {
        name: own_name(),
        policies: Some(args.policies),
        ..WorkerOptions::default()
    };
    let limits = ServeLimits {
        upload_bytes: args.max_upload,
        uploads: args.uploads.into(),
        rate: args.rate,
        burst: args.rate.saturating_mul(10),
        connections: args.connections as usize,
        connections_of_one: args.connections_per_address.map(|most| most as usize),
        idle: args.idle,
        slowest: args.min_rate,
        answers: args.answers,
        answers_of_one: args.answers_per_token,
        keep_free: args.keep_free,
        ..ServeLimits::default()
    };
    ServeOptions {
        listen: args.listen,
        tls: args
            .tls_cert
            .zip(args.tls_key)
            .map(|(certificate, key)| TlsFiles { certificate, key }),
        public_url: args.public_url,
        insecure_loopback: args.insecure_loopback,
        workers: args.workers.into(),
        worker,
        limits,
        shutdown_timeout: args.shutdown_timeout,
        trusted_proxies: args.trusted_proxy,
        metrics_listen: args.metrics_listen,
    }
}
