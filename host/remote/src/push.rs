//! Uploads packs to a server: files are read while they are sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use packhouse_model::client::PushOptions;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::PushReport;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use tokio_util::io::ReaderStream;

use super::Remote;

/// Size of a chunk that is read from a file, in bytes.
const READ: usize = 256 << 10;

/// Sends files as packs of a repo.
pub(super) async fn push(
    remote: &Remote,
    repo: &RepoName,
    files: &[PathBuf],
    options: PushOptions,
    later: bool,
    progress: &Progress,
) -> Result<Vec<PushReport>> {
    if files.is_empty() {
        return Err(Error::Usage("a push needs at least one file".into()));
    }
    let mut opened = Vec::with_capacity(files.len());
    let mut total = 0;
    for path in files {
        let (file, bytes) = open(path).await?;
        total += bytes;
        opened.push((path, file, bytes));
    }
    let sent = Arc::new(AtomicU64::new(0));
    let mut form = Form::new();
    for (path, file, bytes) in opened {
        let (sent, progress, repo) = (sent.clone(), progress.clone(), repo.to_string());
        let pieces = ReaderStream::with_capacity(file, READ).map(move |piece| {
            let piece = piece?;
            let done = sent.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
            progress.at(&repo, Phase::Receive, done, total).map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(piece)
        });
        let part = Part::stream_with_length(Body::wrap_stream(pieces), bytes)
            .file_name(path.display().to_string());
        form = form.part("pack", part);
    }
    let query = [("force", options.force), ("async", later)];
    let client = &remote.client;
    let request =
        client.admin(Method::POST, &format!("repos/{repo}/packs")).query(&query).multipart(form);
    let answer: Result<Vec<PushReport>> = client.json(request).await.map_err(Error::from);
    // A body that was cancelled here looks like a lost connection.
    if answer.is_err() && progress.is_cancelled() {
        return Err(Error::Cancelled);
    }
    let mut reports = answer?;
    // The names as they were given here: not every name can be sent unchanged in a header.
    for (report, path) in reports.iter_mut().zip(files) {
        report.file = path.display().to_string();
    }
    Ok(reports)
}

async fn open(path: &Path) -> Result<(tokio::fs::File, u64)> {
    let file = tokio::fs::File::open(path).await.map_err(Error::io("opening", path))?;
    let found = file.metadata().await.map_err(Error::io("opening", path))?;
    if found.is_dir() {
        return Err(Error::Usage(format!("{} is a folder; push takes files", path.display())));
    }
    Ok((file, found.len()))
}
