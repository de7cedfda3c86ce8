//! An answer as a file of the user's: written and hashed while it is read, whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;
use packhouse_model::digest::finish;
use packhouse_model::error::{Error, Result};
use packhouse_model::files::{beside, file_url, for_user, replaceable};
use packhouse_model::names::MpackKey;
use packhouse_model::progress::{Phase, Progress};
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc;

use super::super::{Store, blocking};
use super::content::Content;

/// Chunks that are read and not written yet.
const CHUNKS_AHEAD: usize = 4;

/// A file beside the user's. It is removed when it is dropped, unless it was renamed.
struct Temporary {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl Temporary {
    fn beside(output: &Path, name: &str) -> Result<Temporary> {
        let path = beside(output, name);
        let file = File::create_new(&path).map_err(Error::io("writing", output))?;
        for_user(&file);
        Ok(Temporary { file, path, is_renamed: false })
    }

    /// Writes chunks until they end; returns the key of all.
    fn write_all(&mut self, mut chunks: mpsc::Receiver<Bytes>) -> std::io::Result<MpackKey> {
        let mut sum = Context::new(&SHA256);
        while let Some(chunk) = chunks.blocking_recv() {
            sum.update(&chunk);
            self.file.write_all(&chunk)?;
        }
        Ok(MpackKey::new(finish(sum)))
    }

    /// Makes it the user's file, durably.
    fn rename(mut self, output: &Path) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, output)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Store {
    /// Writes an answer to the user's file. Returns its key, and the URL of the file.
    pub(super) async fn write_output(
        &self,
        content: &Content,
        output: &Path,
        progress: &Progress,
    ) -> Result<(MpackKey, String)> {
        replaceable(output)?;
        let absolute = std::path::absolute(output).map_err(Error::io("finding", output))?;
        let failing = |error| Error::io("writing", output)(error);
        let name = hex::encode(self.clock.random_id());
        let mut temporary = Temporary::beside(output, &name)?;
        let (to_file, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let writing = blocking(move || {
            let key = temporary.write_all(chunks);
            Ok((temporary, key))
        });
        let reading = self.read_into(content, to_file, progress);
        let (read, written) = tokio::join!(reading, writing);
        let (temporary, key) = written?;
        let key = key.map_err(failing)?;
        read?;
        if let Some(stored) = content.stored_key().filter(|stored| *stored != key) {
            let detail = format!("hash mismatch: its SHA-256 is {key}");
            return Err(self.damaged(&content.name, &stored, detail));
        }
        let path = output.to_owned();
        blocking(move || temporary.rename(&path).map_err(Error::io("writing", path))).await?;
        Ok((key, file_url(&absolute)))
    }

    /// Passes the bytes of an answer on, until they end, or no more are taken.
    async fn read_into(
        &self,
        content: &Content,
        to_file: mpsc::Sender<Bytes>,
        progress: &Progress,
    ) -> Result<()> {
        let (name, mut done) = (content.name.to_string(), 0);
        let mut stream = std::pin::pin!(content.source.stream(0..content.bytes()));
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            done += chunk.len() as u64;
            progress.at(&name, Phase::Splice, done, content.bytes())?;
            if to_file.send(chunk).await.is_err() {
                // It could not be written: that error is returned.
                return Ok(());
            }
        }
        Ok(())
    }

    /// The key of an answer's bytes.
    pub(super) async fn hash_content(&self, content: &Content) -> Result<MpackKey> {
        let mut sum = Context::new(&SHA256);
        let mut stream = std::pin::pin!(content.source.stream(0..content.bytes()));
        while let Some(chunk) = stream.next().await {
            sum.update(&chunk?);
        }
        Ok(MpackKey::new(finish(sum)))
    }
}
