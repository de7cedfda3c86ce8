//! A store on a server: a [`Client`](packhouse_model::client::Client) that sends requests to a
//! `packhouse serve`.
//!
//! ```text
//! verb ─▶ call: URL, token, response or error ─▶ server
//!         run:  PUT /runs/ID, then its events; reconnects under the same id
//! ```
//!
//! Work is started under an id that the client generates, so that nothing is done twice if a
//! response is lost. A token is sent only to the named server: redirects are refused, and so are
//! unencrypted connections.

mod as_client;
mod call;
mod connection;
mod contents;
mod download;
mod muse;
mod push;
mod run;
mod source_tokens;
mod sse;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use call::HttpClient;
use futures::future::BoxFuture;
use packhouse_model::clock::{Clock, SystemClock};
use packhouse_model::error::{Error, Result};
use packhouse_model::report::{Changes, StatusReport};
use url::{Host, Url};

pub use muse::{BranchHeads, MuseRemote};
pub use packhouse_model::connection::ConnectionStatus;
pub use source_tokens::SourceTokens;

/// Page size of the server.
const PAGE: u32 = 1000;

/// A server, and how to reach it.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its URL.
    pub url: String,
    /// The access token.
    pub token: Option<String>,
    /// How long a started run is retried while the server is unreachable; none for ever.
    pub reconnect_timeout: Option<Duration>,
    /// Clock and ids.
    pub clock: Arc<dyn Clock>,
}

impl RemoteOptions {
    /// A server without a token, and a reconnect timeout of a minute.
    pub fn of(url: impl Into<String>) -> RemoteOptions {
        RemoteOptions {
            url: url.into(),
            token: None,
            reconnect_timeout: Some(Duration::from_secs(60)),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Without the token.
impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("RemoteOptions")
            .field("url", &self.url)
            .field("token", &token)
            .finish_non_exhaustive()
    }
}

/// A store on a server. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Arc<HttpClient>,
    reconnect_timeout: Option<Duration>,
    clock: Arc<dyn Clock>,
}

impl Remote {
    /// A client; sends no request yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for a malformed URL, and for one that would send a token unencrypted.
    pub fn new(options: RemoteOptions) -> Result<Remote> {
        let url = Url::parse(&options.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            Error::Usage("--remote: expected http://HOST:PORT or https://HOST".into())
        })?;
        let token = options.token.filter(|token| !token.is_empty());
        may_send(&url, token.is_some(), "--remote", "put the token in PACKHOUSE_TOKEN")?;
        let client = Arc::new(HttpClient::new(url, token, options.clock.clone())?);
        Ok(Remote { client, reconnect_timeout: options.reconnect_timeout, clock: options.clock })
    }

    /// Which store the server serves, and its status.
    ///
    /// # Errors
    /// When it can't be reached, or refuses.
    pub async fn status(&self) -> Result<StatusReport> {
        Ok(self.client.get("status", &[]).await?)
    }

    /// Whether the server is ready.
    ///
    /// # Errors
    /// When it can't be reached, or is not ready.
    pub async fn ready(&self) -> Result<()> {
        self.client.text("readyz").await.map(drop)
    }

    /// Its metrics, in the text format of Prometheus.
    ///
    /// # Errors
    /// When it can't be reached, or refuses.
    pub async fn metrics(&self) -> Result<String> {
        self.client.text("metrics").await
    }

    /// The store's stamp: without `since` at once; otherwise when it has changed, or after some 20
    /// seconds.
    ///
    /// # Errors
    /// When the server can't be reached, or refuses.
    pub async fn change_stamp(&self, since: Option<u64>) -> Result<u64> {
        let query: Vec<_> = since.map(|since| ("since", since.to_string())).into_iter().collect();
        let changes: Changes = self.client.get("changes", &query).await?;
        Ok(changes.stamp)
    }

    /// Whether to give up on a server that was last heard then.
    fn gives_up(&self, heard_at: tokio::time::Instant) -> bool {
        self.reconnect_timeout.is_some_and(|timeout| heard_at.elapsed() >= timeout)
    }
}

/// Reads the pages of a list, of at most `most` items each, until the end or `limit` items. `page`
/// starts after the last item, and returns where the next page begins.
async fn pages<'a, T, C>(
    limit: u32,
    most: u32,
    mut from: Option<C>,
    page: impl Fn(Option<C>, u32) -> BoxFuture<'a, Result<(Vec<T>, Option<C>)>>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        let wanted = limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)).min(most);
        if wanted == 0 {
            return Ok(all);
        }
        let (listed, next) = page(from, wanted).await?;
        all.extend(listed);
        if next.is_none() {
            return Ok(all);
        }
        from = next;
    }
}

/// Refuses a URL with a user or a query, and one that would send a token unencrypted.
fn may_send(url: &Url, has_token: bool, what: &str, where_tokens_go: &str) -> Result<()> {
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(Error::Usage(format!(
            "{what}: expected a URL without user, `?` and `#`; {where_tokens_go}"
        )));
    }
    if has_token && url.scheme() == "http" && !is_here(url) {
        return Err(Error::Usage(format!(
            "{what} {url}: the token would be sent unencrypted; use https://, or a tunnel to this machine"
        )));
    }
    Ok(())
}

/// Whether a URL refers to this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(url: &str, token: Option<&str>) -> Result<Remote> {
        Remote::new(RemoteOptions { token: token.map(str::to_owned), ..RemoteOptions::of(url) })
    }

    #[test]
    fn a_token_goes_where_nobody_listens() {
        for url in [
            "http://localhost:7070",
            "http://127.0.0.1:1/",
            "http://[::1]:1",
            "https://packs.example",
        ] {
            assert!(made(url, Some("secret")).is_ok(), "{url}");
        }
        assert!(made("http://packs.example", None).is_ok());
        for url in ["http://packs.example", "http://10.0.0.1", "http://localhost.example"] {
            assert!(
                matches!(made(url, Some("secret")), Err(Error::Usage(words)) if !words.contains("secret")),
                "{url}"
            );
        }
    }

    #[test]
    fn a_url_is_that_of_a_server_and_the_token_is_not_shown() {
        for url in
            ["", "packs.example", "ftp://h", "http://", "http://u:p@h", "http://h?x", "http://h#x"]
        {
            assert!(matches!(made(url, None), Err(Error::Usage(_))), "{url}");
        }
        let options =
            RemoteOptions { token: Some("secret".into()), ..RemoteOptions::of("http://localhost") };
        assert!(!format!("{options:?} {:?}", Remote::new(options.clone())).contains("secret"));
    }
}
