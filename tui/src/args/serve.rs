//! `packhouse serve`: where to listen, who may come, how much they may ask for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use url::Url;

use super::duration;

/// `packhouse serve …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
    /// Let everybody do everything who can reach the server. Only with an address of this machine alone, and for trying things out
    #[arg(long)]
    pub(crate) insecure_loopback: bool,
    /// Certificate of the server, in PEM; without one it speaks plain HTTP, for a proxy in front of it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The URL that clients reach it by, where a proxy is in front of it: URLs of packs begin with it
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
    /// How long requests and jobs may go on when it is asked to stop
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
}

/// What paths can be put behind.
fn public_url(text: &str) -> Result<Url, String> {
    let expected = || "a URL like https://packs.example.org is expected".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none();
    if plain { Ok(url) } else { Err(expected()) }
}
