//! Getting a pack from a URL, however long it is and however often the connection breaks.

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use crate::answer::FetchedMpack;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::pack::Pack;
use crate::remote::{Remote, accept};

/// How many connections in a row may break without a byte.
const PATIENCE: u32 = 5;

/// What has come, and what is known of the rest.
struct Download {
    url: Url,
    got: BytesMut,
    /// The length of the whole, once an answer said so.
    total: Option<u64>,
    /// The validator of the first answer: what goes on has to be of the same bytes.
    etag: Option<String>,
}

/// How one connection ended.
enum Ended {
    /// With the last byte.
    Whole,
    /// Before.
    Broken(Option<reqwest::Error>),
}

impl Remote {
    /// Downloads the pack of a response of [`Remote::fetch_mpack`], and checks its bytes against
    /// the key, if it has one.
    pub async fn download_mpack(&self, answer: &FetchedMpack) -> Result<Pack> {
        let Some(url) = &answer.mpack_url else { return Ok(Pack::default()) };
        let bytes = self.download(url).await?;
        match answer.key() {
            Some(key) if !key.names(&bytes) => {
                Err(Error::WrongKey { url: url.clone(), found: Id::of(&bytes) })
            }
            _ => Pack::decode(&bytes),
        }
    }

    /// Gets what a URL points to, into memory and without a limit. Where the connection breaks it
    /// goes on with a range request.
    pub async fn download(&self, url: &str) -> Result<Bytes> {
        let mut download =
            Download { url: self.pointed_to(url)?, got: BytesMut::new(), total: None, etag: None };
        let mut patience = PATIENCE;
        loop {
            let before = download.got.len();
            let error = match download.connect(self).await {
                Ok(Ended::Whole) => return Ok(download.got.freeze()),
                Ok(Ended::Broken(error)) => {
                    error.map(|source| Error::Http { request: format!("GET {url}"), source })
                }
                Err(error @ Error::Http { .. }) => Some(error),
                Err(refused) => return Err(refused),
            };
            patience = if download.got.len() > before { PATIENCE } else { patience - 1 };
            if patience == 0 {
                let why =
                    format!("it breaks off after {} bytes, again and again", download.got.len());
                return Err(error.unwrap_or(Error::Answer { request: format!("GET {url}"), why }));
            }
        }
    }
}

impl Download {
    /// Reads on over a new connection, until it ends.
    async fn connect(&mut self, remote: &Remote) -> Result<Ended> {
        let name = format!("GET {}", self.url);
        let mut request = remote.bare(Method::GET, self.url.clone());
        if !self.got.is_empty() {
            request = request.header(RANGE, format!("bytes={}-", self.got.len()));
            if let Some(etag) = &self.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let mut answer = accept(&name, request).await?;
        self.begin(&name, &answer)?;
        // Not when the length is unknown: then an interruption looks like the end.
        let mut left = remote.hang_up_every.filter(|_| self.total.is_some()).unwrap_or(u64::MAX);
        loop {
            let part = match answer.chunk().await {
                Ok(Some(part)) => part,
                Ok(None) => return Ok(self.end()),
                Err(error) => return Ok(Ended::Broken(Some(error))),
            };
            let taken = left.min(part.len() as u64);
            self.got.extend_from_slice(&part[..taken as usize]);
            left -= taken;
            if left == 0 && self.total.is_some_and(|total| (self.got.len() as u64) < total) {
                return Ok(Ended::Broken(None));
            }
        }
    }

    /// Learns from an answer's head what the bytes after it are: the rest, or all from the start.
    fn begin(&mut self, name: &str, answer: &Response) -> Result<()> {
        let header = |header| answer.headers().get(header).and_then(|value| value.to_str().ok());
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let said = header(CONTENT_RANGE).unwrap_or_default();
            let from = said
                .strip_prefix("bytes ")
                .and_then(|range| range.split_once('-'))
                .and_then(|(from, _)| from.parse().ok());
            if from != Some(self.got.len()) {
                let why =
                    format!("bytes from {} on were asked for, {said:?} comes", self.got.len());
                return Err(Error::Answer { request: name.to_owned(), why });
            }
            self.total =
                said.rsplit_once('/').and_then(|(_, total)| total.parse().ok()).or(self.total);
        } else {
            self.got.clear();
            self.total = answer.content_length();
            self.etag = header(ETAG).filter(|etag| !etag.starts_with("W/")).map(str::to_owned);
        }
        Ok(())
    }

    fn end(&self) -> Ended {
        match self.total {
            Some(total) if (self.got.len() as u64) < total => Ended::Broken(None),
            _ => Ended::Whole,
        }
    }
}
