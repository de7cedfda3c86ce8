//! A repo on a Muse server, read as a Muse client reads it: another packhouse, or a MuseHub.
//!
//! The protocol is MWP: `GET /refs`, `POST /negotiate`, and `POST /fetch/mpack`, which answers the URL
//! of a pack, or `POST /fetch`, which answers the pack itself, for servers that lack the former.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use packhouse_model::clock::{Clock, SystemClock};
use packhouse_model::error::{Class, Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::operation::source_url;
use packhouse_model::progress::{Phase, Progress};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::call::{CallError, ClientResult, HttpClient, PLANNING};
use super::download::{RemotePack, TempFile, download};
use super::may_send;

const MSGPACK: &str = "application/x-msgpack";
/// A server answers in one of these.
const ACCEPTED: &str = "application/x-msgpack, application/json";
/// Largest response other than a pack, in bytes.
const MAX_RESPONSE: usize = 64 << 20;
/// How often a fetch begins again because the repo has changed during the download.
const FETCHES: usize = 8;
/// How long a URL of a pack is good for, in seconds: the most that a server grants.
const TTL: u32 = 3600;

/// The branches of a repo on a Muse server.
#[derive(Clone, Debug, Deserialize)]
pub struct BranchHeads {
    /// The branch that a clone checks out.
    #[serde(default)]
    pub default_branch: Option<String>,
    /// Commit ids by branch; none for a branch without commits.
    #[serde(default)]
    pub branch_heads: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Negotiated {
    #[serde(default)]
    ack: Vec<String>,
    #[serde(default)]
    ready: bool,
}

#[derive(Serialize)]
struct Wanted<'a> {
    want: &'a [String],
    have: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct PackAt {
    mpack_url: String,
    #[serde(default)]
    mpack_key: Option<String>,
    #[serde(default)]
    bytes: u64,
}

/// A repo on a Muse server.
#[derive(Debug)]
pub struct MuseRemote {
    client: HttpClient,
    url: Url,
    reconnect_timeout: Option<Duration>,
}

impl MuseRemote {
    /// Most wants of a fetch, and most haves.
    pub const MAX_IDS: usize = 1000;
    /// Most wants and haves of a negotiation.
    pub const MAX_NEGOTIATED: usize = 256;

    /// A repo at `http(s)://HOST/OWNER/SLUG`. Sends no request yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for a malformed URL, and for one that would send a token unencrypted.
    pub fn new(url: &str, token: Option<String>) -> Result<MuseRemote> {
        let url = source_url(url)?;
        let token = token.filter(|token| !token.is_empty());
        may_send(
            &url,
            token.is_some(),
            "the source",
            "put the token in a file: --token-file FILE",
        )?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let client = HttpClient::new(url.clone(), token, clock)?;
        Ok(MuseRemote { client, url, reconnect_timeout: Some(Duration::from_secs(60)) })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.client.place()
    }

    /// Its branches.
    ///
    /// # Errors
    /// When the server can't be reached, refuses, or sends something else.
    pub async fn branch_heads(&self) -> Result<BranchHeads> {
        let request = self.client.under(Method::GET, "refs").header(ACCEPT, ACCEPTED);
        self.decoded(self.send(request.timeout(PLANNING)).await?).await
    }

    /// Which of some commits it has, and whether that is enough to send only what is missing.
    ///
    /// # Errors
    /// Those of [`MuseRemote::branch_heads`].
    pub async fn known(&self, want: &[String], have: &[String]) -> Result<(Vec<String>, bool)> {
        let want = &want[..want.len().min(Self::MAX_NEGOTIATED)];
        let have = &have[..have.len().min(Self::MAX_NEGOTIATED)];
        let request = self.post("negotiate", &Wanted { want, have, ttl_seconds: None })?;
        let answer: Negotiated = self.decoded(self.send(request.timeout(PLANNING)).await?).await?;
        let known = answer.ack.into_iter().filter(|id| have.contains(id)).collect();
        Ok((known, answer.ready))
    }

    /// Writes a pack with all that `want` reaches and `have` does not to a new file.
    ///
    /// # Errors
    /// Those of [`MuseRemote::branch_heads`], and [`Error::Io`] where the file can't be written. Then
    /// there is no file.
    pub async fn fetch(
        &self,
        repo: &RepoName,
        want: &[String],
        have: &[String],
        output: &Path,
        progress: &Progress,
    ) -> Result<()> {
        for _ in 0..FETCHES {
            let wanted = Wanted { want, have, ttl_seconds: Some(TTL) };
            let request = self.post("fetch/mpack", &wanted)?.timeout(PLANNING);
            let answer = match self.send(request).await {
                Ok(answer) => answer,
                Err(CallError::Refused(
                    StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED,
                    _,
                )) => {
                    return self.fetch_directly(repo, want, have, output, progress).await;
                }
                Err(failed) => return Err(failed.into()),
            };
            let at: PackAt = self.decoded(answer).await?;
            let url = self.url.join(&at.mpack_url).map_err(|e| self.strange(e))?;
            if self.url.scheme() == "https" && url.scheme() != "https" {
                return Err(self.strange("its URL of a pack is not https"));
            }
            let key = at.mpack_key.as_deref().map(str::parse::<MpackKey>).transpose();
            let pack = RemotePack {
                repo,
                url: url.as_str(),
                bytes: at.bytes,
                key: key.map_err(|e| self.strange(e))?,
                reconnect_timeout: self.reconnect_timeout,
                failure_is_absence: true,
            };
            if download(&self.client, &pack, output, progress).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::Busy { repo: repo.clone(), what: "an answer was downloaded" })
    }

    /// The same from a server that only sends the pack itself.
    async fn fetch_directly(
        &self,
        repo: &RepoName,
        want: &[String],
        have: &[String],
        output: &Path,
        progress: &Progress,
    ) -> Result<()> {
        let failing = |error| Error::io("writing", output)(error);
        let request = self.post("fetch", &Wanted { want, have, ttl_seconds: None })?;
        let answer = match tokio::time::timeout(PLANNING, self.send(request)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.client.silent("no answer to a fetch").into()),
        };
        let (total, mut done) = (answer.content_length().unwrap_or(0), 0);
        let written = TempFile::new(output.to_owned());
        let mut file = tokio::fs::File::create(output).await.map_err(failing)?;
        let mut pieces = answer.bytes_stream();
        loop {
            let piece = match tokio::time::timeout(PLANNING, pieces.next()).await {
                Ok(piece) => piece,
                Err(_) => return Err(self.client.silent("the download of a pack stalled").into()),
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|error| self.client.broken(&error))?;
            file.write_all(&piece).await.map_err(failing)?;
            done += piece.len() as u64;
            progress.at(&repo.to_string(), Phase::Receive, done, total)?;
        }
        file.flush().await.map_err(failing)?;
        written.keep();
        Ok(())
    }

    /// The response to a request. A server that fails counts as one that can't be reached.
    async fn send(&self, request: RequestBuilder) -> ClientResult<Response> {
        self.client.send(request).await.map_err(|failed| self.client.absent(failed))
    }

    fn post(&self, path: &str, body: &impl Serialize) -> Result<RequestBuilder> {
        let body = rmp_serde::to_vec_named(body).map_err(|e| self.strange(e))?;
        let request = self.client.under(Method::POST, path);
        Ok(request.header(ACCEPT, ACCEPTED).header(CONTENT_TYPE, MSGPACK).body(body))
    }

    /// The value in a response, in either of the forms.
    async fn decoded<T: DeserializeOwned>(&self, mut response: Response) -> Result<T> {
        let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.to_ascii_lowercase().contains("json"))
        });
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| self.client.broken(&e))? {
            if body.len() + piece.len() > MAX_RESPONSE {
                return Err(self.strange(format!("it is larger than {MAX_RESPONSE} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        match is_json {
            true => serde_json::from_slice(&body).map_err(|e| self.strange(e)),
            false => rmp_serde::from_slice(&body).map_err(|e| self.strange(e)),
        }
    }

    /// The error for a response that is not one of the protocol.
    fn strange(&self, why: impl std::fmt::Display) -> Error {
        let message = format!(
            "the response of {} is not understood ({why}); check that it is the URL of a repo on a Muse server",
            self.url()
        );
        Error::Remote { class: Class::Refused, message }
    }
}
