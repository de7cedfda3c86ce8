//! The connection to a server, and the rules that hold for every request.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;

use crate::answer;
use crate::error::{Error, Result};

/// How much of an answer is read, in bytes. A pack that a URL points to may be longer.
pub const ANSWER_LIMIT: u64 = 64 * 1024 * 1024;

/// What bodies are.
const MSGPACK: &str = "application/x-msgpack";
/// What answers may be; still they are always decoded as MessagePack.
const ACCEPTED: &str = "application/x-msgpack, application/json";

/// A repository on a server. Clones share their connections.
#[derive(Clone)]
pub struct Remote {
    client: Client,
    base: Url,
    token: Option<HeaderValue>,
    pub(crate) hang_up_every: Option<u64>,
}

impl std::fmt::Debug for Remote {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Remote {
    /// A remote at `http(s)://HOST/{owner}/{slug}`, with a client of its own.
    pub fn new(base_url: &str, token: Option<String>) -> Result<Self> {
        Remote::with_client(client()?, base_url, token)
    }

    /// A remote that a ready client speaks to, one that trusts a test's certificate for example. It
    /// must not follow redirects; if it does, that is an error as soon as an answer comes from
    /// elsewhere.
    pub fn with_client(client: Client, base_url: &str, token: Option<String>) -> Result<Self> {
        let bad = |why: String| Error::Url { url: base_url.to_owned(), why };
        let base = Url::parse(base_url.trim_end_matches('/')).map_err(|e| bad(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https")
            || base.query().is_some()
            || base.fragment().is_some()
        {
            return Err(bad("a remote is http(s)://HOST/{owner}/{slug}".to_owned()));
        }
        if token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            return Err(Error::TokenInTheClear { url: base_url.to_owned() });
        }
        let token =
            token.map(|token| HeaderValue::from_str(&format!("Bearer {token}"))).transpose();
        let mut token =
            token.map_err(|_| bad("the token is nothing that fits in a header".to_owned()))?;
        token.iter_mut().for_each(|token| token.set_sensitive(true));
        Ok(Remote { client, base, token, hang_up_every: None })
    }

    /// The same remote, but every connection of [`Remote::download`] is closed after that many
    /// bytes, as if it had broken. At least 1.
    pub fn hanging_up_every(mut self, bytes: u64) -> Self {
        self.hang_up_every = Some(bytes.max(1));
        self
    }

    /// Sends any body to a path under the remote, and gives the answer's bytes. For what a real
    /// client would not send.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Bytes>) -> Result<Bytes> {
        let request = format!("POST {path}");
        let sent = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, MSGPACK)
            .body(reqwest::Body::from(body.into()));
        self.answer(&request, sent).await
    }

    /// Sends JSON; the answer is MessagePack as any other.
    pub(crate) async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: String,
    ) -> Result<T> {
        let request = format!("POST {path}");
        let sent =
            self.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body);
        answer::decode(&request, &self.answer(&request, sent).await?)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Bytes> {
        self.answer(&format!("DELETE {path}"), self.request(Method::DELETE, path)).await
    }

    /// `GET /health` at the host, as `muse hub ping` asks. Gives the answer's text.
    pub async fn ping(&self) -> Result<String> {
        let url = self
            .base
            .join("/health")
            .map_err(|e| Error::Url { url: self.base.to_string(), why: e.to_string() })?;
        let answer = accept("GET /health", self.bare(Method::GET, url)).await?;
        Ok(String::from_utf8_lossy(&read("GET /health", answer, ANSWER_LIMIT).await?).into_owned())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = format!("GET {path}");
        answer::decode(&request, &self.answer(&request, self.request(Method::GET, path)).await?)
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: Bytes) -> Result<T> {
        answer::decode(&format!("POST {path}"), &self.post_bytes(path, body).await?)
    }

    /// A URL that the server gave, whole or relative to the remote.
    pub(crate) fn pointed_to(&self, url: &str) -> Result<Url> {
        self.base.join(url).map_err(|e| Error::Url { url: url.to_owned(), why: e.to_string() })
    }

    /// A request to such a URL: the URL is the permission, so the token does not go there.
    pub(crate) fn bare(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}{path}", self.base.as_str().trim_end_matches('/')))
            .header(ACCEPT, ACCEPTED);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        }
    }

    async fn answer(&self, request: &str, sent: RequestBuilder) -> Result<Bytes> {
        read(request, accept(request, sent).await?, ANSWER_LIMIT).await
    }
}

fn client() -> Result<Client> {
    // An error means that the process has a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy();
    // So that a test of a server that hangs ends.
    client
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(120))
        .build()
        .map_err(Error::Client)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Sends a request, and gives the answer if it is one of 2xx from where it was sent to.
pub(crate) async fn accept(request: &str, sent: RequestBuilder) -> Result<Response> {
    let failed = |source| Error::Http { request: request.to_owned(), source };
    let (client, sent) = sent.build_split();
    let sent = sent.map_err(failed)?;
    let asked = sent.url().clone();
    let answer = client.execute(sent).await.map_err(failed)?;
    let status = answer.status();
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED || *answer.url() != asked {
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|to| to.to_str().ok())
            .unwrap_or(answer.url().as_str());
        return Err(Error::Redirect {
            request: request.to_owned(),
            status: status.as_u16(),
            location: location.to_owned(),
        });
    }
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer::detail(&read(request, answer, ANSWER_LIMIT).await?);
    Err(Error::Refused { request: request.to_owned(), status: status.as_u16(), detail })
}

/// Reads an answer, not more than `limit` bytes of it.
pub(crate) async fn read(request: &str, mut answer: Response, limit: u64) -> Result<Bytes> {
    let too_large = || Error::TooLarge { request: request.to_owned(), limit };
    if answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut all = BytesMut::new();
    while let Some(part) = answer
        .chunk()
        .await
        .map_err(|source| Error::Http { request: request.to_owned(), source })?
    {
        if (all.len() + part.len()) as u64 > limit {
            return Err(too_large());
        }
        all.extend_from_slice(&part);
    }
    Ok(all.freeze())
}
