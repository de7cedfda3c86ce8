//! Arguments of `packhouse serve`: the address, TLS, and limits for clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use packhouse_host::serve::Network;
use url::Url;

use super::duration;

/// `packhouse serve …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
    /// Allow all requests from this machine without a token; needs a loopback address, and is meant
    /// for trying things out
    #[arg(long)]
    pub(crate) insecure_loopback: bool,
    /// TLS certificate (PEM). Without one the server speaks plain HTTP, for use behind a proxy
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// URL at which clients reach the server through a proxy; URLs of packs start with it
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<Url>,
    /// Concurrent jobs in this process; 0 leaves all jobs to `packhouse worker`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=16))]
    pub(crate) workers: u8,
    /// How often to check repos against their policies
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) policies: Duration,
    /// Maximum size of an upload, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_upload: u64,
    /// Maximum number of concurrent uploads; others wait
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) uploads: u16,
    /// Requests per second for each token, or for each address without one; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) rate: u32,
    /// Maximum number of open connections; fewer if the limit of open files is lower
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Maximum number of open connections per address [default: half of all]. Trusted
    /// proxies are exempt
    #[arg(long, alias = "connections-of-one", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections_per_address: Option<u32>,
    /// Close a connection after this time without a request
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) idle: Duration,
    /// Minimum rate in bytes per second at which a client must read a response; slower clients are
    /// disconnected
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) min_rate: u64,
    /// Disk space in bytes for packs assembled for fetches, shared by all servers of the store
    /// [default: a quarter of the disk, at most 64 GiB]
    #[arg(long, value_name = "BYTES")]
    pub(crate) answers: Option<u64>,
    /// Disk space in bytes for the packs assembled for one token [default: a quarter of --answers].
    /// An address without a token gets a quarter of it
    #[arg(long, alias = "answers-of-one", value_name = "BYTES")]
    pub(crate) answers_per_token: Option<u64>,
    /// Disk space in bytes reserved for pushes [default: a tenth of the disk, at most 8 GiB]
    #[arg(long, value_name = "BYTES")]
    pub(crate) keep_free: Option<u64>,
    /// Address or network of a proxy whose X-Forwarded-For, -Proto and -Host headers are trusted;
    /// repeatable
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) trusted_proxy: Vec<Network>,
    /// Serve /metrics on this address without a token; otherwise it needs an admin token for all
    /// repos
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How long requests and jobs may take to finish on shutdown
    #[arg(long, alias = "patience", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) shutdown_timeout: Duration,
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
