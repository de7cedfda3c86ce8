//! `packhouse serve`: where to listen, who may come, how much they may ask for.

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
    /// Address and port; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
    /// Let everybody do everything who can reach the server. Only with an address of this machine
    /// alone, and for trying things out
    #[arg(long)]
    pub(crate) insecure_loopback: bool,
    /// Certificate of the server, in PEM; without one it speaks plain HTTP, for a proxy in front of
    /// it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The URL that clients reach it by, where a proxy is in front of it: URLs of packs begin with
    /// it
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<Url>,
    /// Jobs that are done at once in this process; 0 leaves them to `packhouse worker`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=16))]
    pub(crate) workers: u8,
    /// How often repos are held against their policies
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) policies: Duration,
    /// Largest upload, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_upload: u64,
    /// Uploads that are taken at once; others wait
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) uploads: u16,
    /// Requests a second of one token, or of one address without a token; 0: any number
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) rate: u32,
    /// Connections that may be open at once; as many as open files allow, if those are fewer
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Connections of one address at once; half of all when not given. Trusted proxies may have all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections_of_one: Option<u32>,
    /// How long a connection may stay open without a request
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) idle: Duration,
    /// Bytes a second with which a client must read its answer; a slower one is cut off
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) min_rate: u64,
    /// Bytes of assembled answers that are kept, by all servers of the store; a quarter of the
    /// disk, at most 64 GiB, when not given
    #[arg(long, value_name = "BYTES")]
    pub(crate) answers: Option<u64>,
    /// Bytes of those of one token; a quarter of all when not given. An address without a token has
    /// a quarter of that
    #[arg(long, value_name = "BYTES")]
    pub(crate) answers_of_one: Option<u64>,
    /// Bytes of the disk that answers leave to pushes; a tenth of it, at most 8 GiB, when not given
    #[arg(long, value_name = "BYTES")]
    pub(crate) keep_free: Option<u64>,
    /// Address or network of a proxy that is believed when it names its client (X-Forwarded-For,
    /// -Proto, -Host); repeatable
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) trusted_proxy: Vec<Network>,
    /// Answer /metrics on this address, without a token; else it takes an admin token for all repos
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How long requests and jobs may go on when it is asked to stop
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
}

fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error: packhouse_host::Error| error.to_string())
}

/// What paths can be put behind.
fn public_url(text: &str) -> Result<Url, String> {
    let expected = || "a URL like https://packs.example.org is expected".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url) } else { Err(expected()) }
}
