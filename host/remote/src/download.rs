//! Downloads a pack from the URL of a fetch to a file: completely, or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use packhouse_model::digest::finish;
use packhouse_model::error::{Class, Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::{Phase, Progress};
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use ring::digest::{Context, SHA256};
use tokio::fs::{File, rename};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::time::Instant;

use super::call::{CallError, ClientResult, HttpClient, PLANNING, may_pass};

/// Pause before an interrupted download is resumed.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a server may be silent in the middle of a pack.
const SILENCE: Duration = Duration::from_secs(60);

/// Removes the file, unless the download succeeds.
pub(super) struct TempFile(Option<PathBuf>);

impl TempFile {
    pub(super) fn new(path: PathBuf) -> TempFile {
        TempFile(Some(path))
    }

    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A pack at the URL of a fetch.
pub(super) struct RemotePack<'a> {
    /// The repo, for progress.
    pub(super) repo: &'a RepoName,
    pub(super) url: &'a str,
    /// Its size; 0 if it is not known.
    pub(super) bytes: u64,
    /// Its key, if it is known.
    pub(super) key: Option<MpackKey>,
    /// How long the download is retried while the server is unreachable; none for ever.
    pub(super) reconnect_timeout: Option<Duration>,
    /// Whether a server that fails counts as one that can't be reached.
    pub(super) failure_is_absence: bool,
}

/// Writes the pack to a temporary file next to `output`, hashes it on the way, and renames it.
/// Resumes an interrupted download, as long as the server is reachable from time to time. Returns the
/// key; none if the repo has changed so that the URL leads to another answer by now.
pub(super) async fn download(
    client: &HttpClient,
    pack: &RemotePack<'_>,
    output: &Path,
    progress: &Progress,
) -> Result<Option<MpackKey>> {
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = folder.join(format!(".packhouse-{}", hex::encode(client.random_id())));
    let failing = |error| Error::io("writing", output)(error);
    let file = std::fs::File::create_new(&path).map_err(failing)?;
    packhouse_model::files::for_user(&file);
    let temporary = TempFile::new(path.clone());
    let sum = Context::new(&SHA256);
    let file = File::from_std(file);
    let etag = named_etag(pack.url);
    let mut getting = Download { client, pack, etag, file, sum, done: 0, output, progress };
    if !getting.whole().await? {
        return Ok(None);
    }
    getting.file.sync_all().await.map_err(failing)?;
    let key = MpackKey::new(finish(getting.sum));
    // The hash proves the content, regardless of its sender.
    if let Some(expected) = pack.key.filter(|expected| *expected != key) {
        let message = format!(
            "hash mismatch in the downloaded pack: expected {expected}, got {key}; nothing was written to {}",
            output.display()
        );
        return Err(Error::Remote { class: Class::Damage, message });
    }
    rename(&path, output).await.map_err(failing)?;
    temporary.keep();
    Ok(Some(key))
}

/// The ETag, with its quotes, in the URL of an answer that is assembled while it is sent.
fn named_etag(url: &str) -> Option<String> {
    let path = url.split('?').next()?;
    let (rest, etag) = path.rsplit_once('/')?;
    rest.ends_with("/fetch").then(|| format!("\"{etag}\""))
}

struct Download<'a> {
    client: &'a HttpClient,
    pack: &'a RemotePack<'a>,
    /// That of the bytes that are downloaded, once it is known.
    etag: Option<String>,
    file: File,
    /// The hash of the bytes so far.
    sum: Context,
    done: u64,
    output: &'a Path,
    progress: &'a Progress,
}

impl Download<'_> {
    /// Reads all of it; false if it is another answer by now.
    async fn whole(&mut self) -> Result<bool> {
        let mut last = Instant::now();
        loop {
            let before = self.done;
            let failed = match self.some().await {
                Ok(()) => return Ok(true),
                Err(DownloadEnd::Changed) => return Ok(false),
                Err(DownloadEnd::Stopped(error)) => return Err(error),
                Err(DownloadEnd::Broke(failed)) => failed,
            };
            if self.done > before {
                last = Instant::now();
            }
            let lasting = match &failed {
                // The URL has expired in the middle: there is another one.
                CallError::Refused(StatusCode::FORBIDDEN | StatusCode::GONE, _)
                    if self.done > 0 =>
                {
                    return Ok(false);
                }
                CallError::Refused(status, _) => !may_pass(*status),
                CallError::Broken { .. } => false,
            };
            if lasting
                || self.pack.reconnect_timeout.is_some_and(|timeout| last.elapsed() >= timeout)
            {
                return Err(match self.pack.failure_is_absence {
                    true => self.client.absent(failed).into(),
                    false => failed.into(),
                });
            }
            self.report_progress()?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads until the response ends.
    async fn some(&mut self) -> std::result::Result<(), DownloadEnd> {
        let client = self.client;
        let mut response = self.ask().await.map_err(DownloadEnd::Broke)?;
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        match (&self.etag, etag) {
            (Some(known), Some(etag)) if known != etag => return Err(DownloadEnd::Changed),
            (None, Some(etag)) => self.etag = Some(etag.to_owned()),
            _ => {}
        }
        let from = self.done;
        // Only a range that begins here continues the download; anything else is the whole pack
        // again.
        if from > 0
            && !(response.status() == StatusCode::PARTIAL_CONTENT && begins_at(&response, from))
        {
            self.begin_anew()
                .await
                .map_err(|error| DownloadEnd::Stopped(Error::io("writing", self.output)(error)))?;
        }
        loop {
            let piece = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(piece) => piece.map_err(|error| DownloadEnd::Broke(client.broken(&error)))?,
                Err(_) => {
                    return Err(DownloadEnd::Broke(
                        client.silent("the download of a pack stalled"),
                    ));
                }
            };
            let Some(piece) = piece else { break };
            self.file
                .write_all(&piece)
                .await
                .map_err(|error| DownloadEnd::Stopped(Error::io("writing", self.output)(error)))?;
            self.sum.update(&piece);
            self.done += piece.len() as u64;
            if self.pack.bytes > 0 && self.done > self.pack.bytes {
                let message = format!(
                    "{} sends more than the {} bytes that it says the pack has",
                    client.place(),
                    self.pack.bytes
                );
                return Err(DownloadEnd::Stopped(Error::Remote { class: Class::Refused, message }));
            }
            self.report_progress().map_err(DownloadEnd::Stopped)?;
        }
        self.file
            .flush()
            .await
            .map_err(|error| DownloadEnd::Stopped(Error::io("writing", self.output)(error)))?;
        match self.done < self.pack.bytes {
            true => Err(DownloadEnd::Broke(client.silent("the download of a pack was cut off"))),
            false => Ok(()),
        }
    }

    async fn ask(&self) -> ClientResult<Response> {
        let client = self.client;
        let mut request = client.stranger(self.pack.url);
        if self.done > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.done));
            if let Some(etag) = &self.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        match tokio::time::timeout(PLANNING, client.send(request)).await {
            Ok(response) => response,
            Err(_) => Err(client.silent("no answer to the request for a pack")),
        }
    }

    async fn begin_anew(&mut self) -> io::Result<()> {
        self.done = 0;
        self.sum = Context::new(&SHA256);
        self.file.set_len(0).await?;
        self.file.rewind().await.map(drop)
    }

    fn report_progress(&self) -> Result<()> {
        self.progress.at(&self.pack.repo.to_string(), Phase::Receive, self.done, self.pack.bytes)
    }
}

enum DownloadEnd {
    /// The download can be resumed.
    Broke(CallError),
    /// The URL leads to another answer than before.
    Changed,
    Stopped(Error),
}

fn begins_at(response: &Response, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range
        .and_then(|range| range.strip_prefix("bytes "))
        .is_some_and(|range| range.starts_with(&format!("{from}-")))
}
