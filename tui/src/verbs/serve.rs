//! `packhouse serve`: runs the server until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use packhouse_host::JobEnded;
use packhouse_host::serve::{HubTokenFiles, Network, ServeLimits, ServeOptions, Server, TlsFiles};
use packhouse_host::worker::{Stop, WorkerOptions};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use super::worker::{JobArgs, line, own_name};
use crate::context::Context;
use crate::exit::Exit;
use crate::text::{duration, parse_duration};

/// `packhouse serve …`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Allow all requests from this machine without a token; needs a loopback address, and is meant
    /// for trying things out
    #[arg(long)]
    insecure_loopback: bool,
    /// TLS certificate (PEM). Without one the server speaks plain HTTP, for use behind a proxy
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// URL at which clients reach the server through a proxy; URLs of packs start with it
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<Url>,
    /// Concurrent jobs in this process; 0 leaves all jobs to `packhouse worker`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=16))]
    workers: u8,
    /// How often to check repos against their policies
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    policies: Duration,
    /// Maximum size of an upload, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    max_upload: u64,
    /// Maximum number of concurrent uploads; others wait
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    uploads: u16,
    /// Requests per second for each token, or for each address without one; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u32,
    /// Maximum number of open connections; fewer if the limit of open files is lower
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Maximum number of open connections per address [default: half of all]. Trusted
    /// proxies are exempt
    #[arg(long, alias = "connections-of-one", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connections_per_address: Option<u32>,
    /// Close a connection after this time without a request
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    idle: Duration,
    /// Minimum rate in bytes per second at which a client must read a response; slower clients are
    /// disconnected
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..))]
    min_rate: u64,
    /// Space in bytes for fetch requests that are too long for a URL, shared by all servers of the
    /// store [default: a quarter of the disk, at most 256 MiB]
    #[arg(long, value_name = "BYTES")]
    answers: Option<u64>,
    /// Space in bytes for such requests of one token [default: a quarter of --answers]. An address
    /// without a token gets a quarter of it
    #[arg(long, alias = "answers-of-one", value_name = "BYTES")]
    answers_per_token: Option<u64>,
    /// Disk space in bytes reserved for pushes: below it, no fetch requests are kept [default: a
    /// twentieth of the disk, at most 1 GiB]
    #[arg(long, value_name = "BYTES")]
    keep_free: Option<u64>,
    /// Address or network of a proxy whose X-Forwarded-For, -Proto and -Host headers are trusted;
    /// repeatable
    #[arg(long, value_name = "CIDR", value_parser = network)]
    trusted_proxy: Vec<Network>,
    /// Serve /metrics on this address without a token; otherwise it needs an admin token for all
    /// repos
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<SocketAddr>,
    /// How long requests and jobs may take to finish on shutdown
    #[arg(long, alias = "patience", value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    shutdown_timeout: Duration,
    /// Log requests that take longer than this until their response begins; 0s for none
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    slow_after: Duration,
    #[command(flatten)]
    jobs: JobArgs,
    /// While users move from a MuseHub, accept its tokens: the file with its ACCESS_TOKEN_SECRET. A
    /// token gives its user the scope `push` for the repos in --jwt-repos
    #[arg(long, value_name = "FILE", requires = "jwt_repos")]
    accept_jwt_secret_file: Option<PathBuf>,
    /// File with the ID of a user of the MuseHub, and OWNER/SLUG or OWNER/*, on each line
    #[arg(long, value_name = "FILE", requires = "accept_jwt_secret_file")]
    jwt_repos: Option<PathBuf>,
}

fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: packhouse_host::Error| error.to_string())
}

/// A URL to which paths can be appended.
fn public_url(text: &str) -> Result<Url, String> {
    let expected = || "expected a URL like https://packs.example.org".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url) } else { Err(expected()) }
}

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
pub(crate) async fn run(args: Serve, context: &Context) -> anyhow::Result<Exit> {
    // First of all, so that signals count while the store is opened, too.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let store = context.open_or_new("serve").await?;
    let (workers, shutdown_timeout) = (args.workers, args.shutdown_timeout);
    let options = options(args)?;
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
    output.result(&listening, || said(&listening))?;
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

/// How clients reach the server.
fn said(listening: &Listening) -> Vec<String> {
    let Listening { address, url, insecure_loopback, .. } = listening;
    let mut cli = format!("For other verbs: packhouse --remote {url} VERB");
    if !insecure_loopback {
        cli += ", with a token in PACKHOUSE_TOKEN; packhouse token create makes one";
    }
    let mut lines = vec![
        format!(
            "Serving on {address}; the URL of a remote is {url}/OWNER/SLUG. Press Ctrl-C to stop"
        ),
        cli,
    ];
    lines.extend(insecure_loopback.then(|| {
        "Requests from this machine need no token (--insecure-loopback); use this for tests only"
            .to_owned()
    }));
    lines
}

fn options(args: Serve) -> anyhow::Result<ServeOptions> {
    let worker = WorkerOptions {
        name: own_name(),
        policies: Some(args.policies),
        job_timeout: args.jobs.job_timeout,
        source_tokens: args.jobs.checked_tokens()?,
        ..WorkerOptions::default()
    };
    let limits = ServeLimits {
        upload_bytes: args.max_upload,
        uploads: args.uploads.into(),
        rate: args.rate,
        burst: args.rate.saturating_mul(10),
        connections: args.connections as usize,
        connections_per_address: args.connections_per_address.map(|most| most as usize),
        idle: args.idle,
        slowest: args.min_rate,
        answers: args.answers,
        answers_per_token: args.answers_per_token,
        keep_free: args.keep_free,
        ..ServeLimits::default()
    };
    Ok(ServeOptions {
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
        slow_after: args.slow_after,
        trusted_proxies: args.trusted_proxy,
        metrics_listen: args.metrics_listen,
        hub_tokens: args
            .accept_jwt_secret_file
            .zip(args.jwt_repos)
            .map(|(secret, repos)| HubTokenFiles { secret, repos }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_says_how_muse_and_the_command_line_reach_the_server() {
        let mut listening = Listening {
            address: "127.0.0.1:7070".to_owned(),
            url: "http://127.0.0.1:7070".to_owned(),
            metrics: None,
            insecure_loopback: false,
            workers: 1,
        };
        let text = said(&listening).join("\n");
        assert!(text.contains("remote is http://127.0.0.1:7070/OWNER/SLUG."), "{text}");
        assert!(text.contains("packhouse --remote http://127.0.0.1:7070 VERB, with a"), "{text}");
        assert!(text.contains("PACKHOUSE_TOKEN; packhouse token create"), "{text}");
        listening.insecure_loopback = true;
        let text = said(&listening).join("\n");
        assert!(text.contains("packhouse --remote http://127.0.0.1:7070 VERB\n"), "{text}");
        assert!(!text.contains("token create"), "{text}");
    }
}
