//! One request to a server, and its response: the client, the token, and the meaning of errors.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use packhouse_model::clock::Clock;
use packhouse_model::connection::ConnectionStatus;
use packhouse_model::error::{Class, Error, Result, SetupError};
use packhouse_model::span::{SentRequest, record_response};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;
use url::Url;

use super::connection::ConnectionMonitor;

/// Connect timeout.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the server may take to respond: at once, or after the 20 seconds of a long poll.
const ANSWER: Duration = Duration::from_secs(120);

/// How long a server may plan an answer to a fetch before it sends anything of it.
pub(super) const PLANNING: Duration = Duration::from_secs(300);

/// Sends requests to a server.
pub(super) struct HttpClient {
    client: Client,
    base: String,
    token: Option<HeaderValue>,
    connection: ConnectionMonitor,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// The server returned an error.
    Refused(StatusCode, Error),
    /// The request could not be sent, or the response is incomplete.
    Broken {
        /// Whether the connection failed: then the server did not receive the request.
        unheard: bool,
        error: Error,
    },
}

impl From<CallError> for Error {
    fn from(failed: CallError) -> Error {
        match failed {
            CallError::Refused(_, error) | CallError::Broken { error, .. } => error,
        }
    }
}

pub(super) type ClientResult<T> = std::result::Result<T, CallError>;

/// The body of an error response.
#[derive(Deserialize)]
struct Problem {
    /// A text. Muse servers of another make may send a list of faults.
    detail: serde_json::Value,
    /// None from a Muse server of another make.
    class: Option<String>,
    request_id: Option<String>,
}

impl HttpClient {
    pub(super) fn new(
        base: Url,
        token: Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<HttpClient> {
        // Another caller may have installed the same provider already: there is one for the
        // process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let token = token.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
                Error::Usage("the token has invalid characters; check PACKHOUSE_TOKEN".into())
            })?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        let client = Client::builder()
            .user_agent(concat!("packhouse/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .tcp_keepalive(Duration::from_secs(30))
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| SetupError::NoHttpClient(error.into()))?;
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(HttpClient {
            client,
            base,
            token: token.transpose()?,
            connection: ConnectionMonitor::new(),
            clock,
        })
    }

    /// The server.
    pub(super) fn place(&self) -> &str {
        &self.base
    }

    pub(super) fn connection(&self) -> watch::Receiver<ConnectionStatus> {
        self.connection.watch()
    }

    /// The server has sent data, in the middle of a response.
    pub(super) fn heard(&self) {
        self.connection.heard(self.clock.now(), None);
    }

    /// A request to the admin API.
    pub(super) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.under(method, &format!("admin/v1/{path}"))
    }

    /// A request to a path under the server's URL.
    pub(super) fn under(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/{path}", self.base));
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    /// 16 random bytes.
    pub(super) fn random_id(&self) -> [u8; 16] {
        self.clock.random_id()
    }

    /// A request to any URL, without the token.
    pub(super) fn stranger(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> ClientResult<T> {
        self.json(self.admin(Method::GET, path).query(query).timeout(ANSWER)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> ClientResult<T> {
        self.json(self.admin(Method::POST, path).json(body)).await
    }

    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: &(impl Serialize + Sync),
    ) -> ClientResult<T> {
        self.json(self.admin(Method::PUT, path).query(query).json(body).timeout(ANSWER)).await
    }

    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> ClientResult<T> {
        self.json(self.admin(Method::PATCH, path).json(body).timeout(ANSWER)).await
    }

    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> ClientResult<T> {
        self.json(self.admin(Method::DELETE, path).query(query).timeout(ANSWER)).await
    }

    /// The response of a path outside of the admin API.
    pub(super) async fn text(&self, path: &str) -> Result<String> {
        let response = self.send(self.under(Method::GET, path).timeout(ANSWER)).await?;
        response.text().await.map_err(|error| self.broken(&error).into())
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> ClientResult<T> {
        let response = self.send(request).await?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.broken(&error))?;
        self.read(status, &body)
    }

    /// Parses the JSON of a server; another version may send something else.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        status: StatusCode,
        body: &[u8],
    ) -> ClientResult<T> {
        serde_json::from_slice(body)
            .map_err(|error| CallError::Refused(status, self.not_understood(&error)))
    }

    /// The error for what another version may have written.
    pub(super) fn not_understood(&self, error: &serde_json::Error) -> Error {
        let message = format!(
            "the response of {} is not understood ({error}); check with `packhouse doctor` that it is a packhouse of this version",
            self.base
        );
        Error::Remote { class: Class::Refused, message }
    }

    /// Sends a request. Returns a successful response, whose body has not been read yet.
    pub(super) async fn send(&self, request: RequestBuilder) -> ClientResult<Response> {
        let begun = Instant::now();
        let response = sent(request).await.map_err(|error| self.broken(&error))?;
        self.connection.heard(self.clock.now(), Some(begun.elapsed()));
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // A response without our JSON comes from a proxy in front of the server, or from another
        // program.
        let body = beginning(response).await;
        let error = match serde_json::from_slice::<Problem>(&body) {
            Ok(Problem { detail, class, request_id }) => {
                let detail = detail.as_str().map_or_else(|| detail.to_string(), str::to_owned);
                let class = class.map_or(Class::Refused, |class| Class::named(&class));
                // Of a failure of the server, its log says more.
                let message = match request_id.filter(|_| status.is_server_error()) {
                    Some(id) => format!("{detail} (request {id})"),
                    None => detail,
                };
                Error::Remote { class, message }
            }
            // A proxy that can't reach the server.
            Err(_) if matches!(status.as_u16(), 502..=504) => {
                return Err(self.silent(&format!("a proxy in front of it answers {status}")));
            }
            Err(_) => Error::Remote { class: Class::Refused, message: self.strange(status) },
        };
        Err(CallError::Refused(status, error))
    }

    /// The error of a server that fails, or has too much to do, as that of one that can't be reached:
    /// it may answer later. Others stay as they are.
    pub(super) fn absent(&self, failed: CallError) -> CallError {
        match failed {
            CallError::Refused(status, error)
                if may_pass(status) && error.class() != Class::Damage =>
            {
                self.silent(&format!("it answers {status}: {error}"))
            }
            failed => failed,
        }
    }

    fn strange(&self, status: StatusCode) -> String {
        let why = match status {
            status if status.is_redirection() => {
                "it redirects, and tokens are not sent to other URLs; name the target itself"
            }
            StatusCode::NOT_FOUND => "is it the URL of a packhouse serve?",
            _ => "the log of the proxy in front of the server may say more",
        };
        format!("{} answers {status}: {why}", self.base)
    }

    /// The connection failed, or was lost in the middle of a response.
    pub(super) fn broken(&self, error: &reqwest::Error) -> CallError {
        let reason = causes(error);
        self.connection.lost(self.clock.now(), &reason);
        let unheard = error.is_connect() || error.is_builder();
        CallError::Broken { unheard, error: Error::Unreachable { url: self.base.clone(), reason } }
    }

    /// The server has been silent for too long.
    pub(super) fn silent(&self, reason: &str) -> CallError {
        self.connection.lost(self.clock.now(), reason);
        CallError::Broken {
            unheard: false,
            error: Error::Unreachable { url: self.base.clone(), reason: reason.to_owned() },
        }
    }
}

/// Sends a request that belongs to the current trace.
async fn sent(request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let mut request = request?;
    let url = request.url();
    let span = SentRequest {
        method: request.method().as_str(),
        host: url.host_str(),
        port: url.port_or_known_default(),
        path: url.path(),
    }
    .span();
    span.in_scope(|| packhouse_trace::inject(request.headers_mut()));
    let response = client.execute(request).instrument(span.clone()).await;
    let status = response.as_ref().ok().map(|response| response.status().as_u16());
    record_response(&span, status);
    response
}

/// Whether a server that answers this may answer something else later.
pub(super) fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Longest body of an error, in bytes: it is not known who sends it.
const MAX_PROBLEM: usize = 256 << 10;

/// The body of an error, as far as it is read.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await
        && body.len() < MAX_PROBLEM
    {
        body.extend_from_slice(&piece[..piece.len().min(MAX_PROBLEM - body.len())]);
    }
    body
}

/// An error's causes, the innermost first; without the URL, which may contain a signature.
fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let words = innermost.to_string();
    let what = match error {
        error if error.is_timeout() => "the request timed out",
        error if error.is_connect() => "no connection",
        _ => "the response was cut off",
    };
    if error.is_timeout() { what.to_owned() } else { format!("{what}: {words}") }
}
