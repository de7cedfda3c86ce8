//! Objects to the bucket: visible whole, or not at all.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, PutPayload};
use packhouse_model::blocking::blocking;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_vault::StagedFile;
use ring::digest::{Context, SHA256};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::client::Bucket;

/// Bytes of a part, where 9000 of them are enough: large enough that a request's fixed cost does
/// not matter, small enough to be sent again.
const PART: u64 = 8 << 20;
/// Larger parts are a multiple of this.
const PART_STEP: u64 = 1 << 20;
/// Up to here an object is sent in one request.
const SINGLE: u64 = 16 << 20;
/// Parts that a multipart upload may have, of the 10 000 that S3 allows.
const PARTS: u64 = 9_000;
/// Parts of one upload that are sent at once.
const SENDING: usize = 4;
/// How long giving an upload up may take.
const ABORTING: Duration = Duration::from_secs(5);

/// What is uploaded.
pub(super) enum Body {
    /// A file, whose hash must match the key while it is read.
    File { file: Arc<File>, path: PathBuf, bytes: u64, key: MpackKey },
    /// Bytes.
    Bytes(Bytes),
}

impl Body {
    /// A staged file that is to be a pack.
    pub(super) fn staged(staged: &StagedFile, key: &MpackKey) -> Result<Body> {
        let file = staged.file.try_clone().map_err(Error::io("opening", staged.path()))?;
        let bytes = file.metadata().map_err(Error::io("measuring", staged.path()))?.len();
        Ok(Body::File { file: Arc::new(file), path: staged.path().to_owned(), bytes, key: *key })
    }

    fn bytes(&self) -> u64 {
        match self {
            Body::File { bytes, .. } => *bytes,
            Body::Bytes(bytes) => bytes.len() as u64,
        }
    }

    async fn part(&self, range: Range<u64>) -> Result<Bytes> {
        match self {
            Body::Bytes(bytes) => Ok(bytes.slice(range.start as usize..range.end as usize)),
            Body::File { file, path, .. } => {
                let (file, path) = (file.clone(), path.clone());
                let read = move || {
                    let mut part = vec![0; (range.end - range.start) as usize];
                    file.read_exact_at(&mut part, range.start).map(|()| Bytes::from(part))
                };
                blocking(move || read().map_err(Error::io("reading", path))).await
            }
        }
    }

    /// What was read must be what was proven: nothing else is made visible.
    fn agrees(&self, sum: Context) -> Result<()> {
        match self {
            Body::File { key, path, .. } if sum.clone().finish().as_ref() != key.digest() => {
                let source = std::io::Error::other(format!(
                    "its hash is not {key} any more; the disk may be failing"
                ));
                Err(Error::Io { doing: "reading", path: path.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

/// A multipart upload that is given up when it is dropped.
struct UnfinishedUpload {
    store: Arc<AmazonS3>,
    to: Key,
    id: Option<String>,
}

impl UnfinishedUpload {
    /// Aborts the upload on the server; it keeps, and bills, the parts until then.
    async fn abort(&mut self) {
        let Some(id) = self.id.take() else { return };
        let aborting =
            tokio::time::timeout(ABORTING, self.store.abort_multipart(&self.to, &id)).await;
        if !matches!(aborting, Ok(Ok(()))) {
            tracing::warn!(
                "an upload to {} could not be aborted; a lifecycle rule of the bucket should remove its parts",
                self.to
            );
        }
    }
}

impl Drop for UnfinishedUpload {
    fn drop(&mut self) {
        // The upload was dropped.
        if self.id.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            let mut left = UnfinishedUpload {
                store: self.store.clone(),
                to: self.to.clone(),
                id: self.id.take(),
            };
            runtime.spawn(async move { left.abort().await }.in_current_span());
        }
    }
}

impl Bucket {
    /// Uploads an object; gives its ETag. It is visible when it is whole, or not at all.
    pub(super) async fn upload(&self, to: &Key, body: Body) -> Result<Option<String>> {
        let bytes = body.bytes();
        let etag = if bytes <= SINGLE {
            let part = body.part(0..bytes).await?;
            let mut sum = Context::new(&SHA256);
            sum.update(&part);
            body.agrees(sum)?;
            self.store
                .put(to, PutPayload::from(part))
                .await
                .map_err(|e| self.failed("uploading", to, e))?
                .e_tag
        } else {
            self.upload_parts(to, &body).await?
        };
        let there = self.store.head(to).await.map_err(|e| self.failed("looking for", to, e))?;
        if there.size != bytes {
            return Err(Error::Storage {
                doing: "uploading",
                place: self.place.object(to),
                server: self.place.server().to_owned(),
                reason: format!("it has {} bytes there, but {bytes} were sent", there.size),
                way_out: "Check the object, and try again",
            });
        }
        Ok(there.e_tag.or(etag))
    }

    async fn upload_parts(&self, to: &Key, body: &Body) -> Result<Option<String>> {
        let failed = |e| self.failed("uploading", to, e);
        let id = self.store.create_multipart(to).await.map_err(failed)?;
        let mut upload =
            UnfinishedUpload { store: self.store.clone(), to: to.clone(), id: Some(id.clone()) };
        let sent = self.send_parts(to, &id, body).await;
        let completed = match sent {
            Ok(parts) => self.store.complete_multipart(to, &id, parts).await.map_err(failed),
            Err(error) => Err(error),
        };
        match completed {
            Ok(put) => {
                upload.id = None;
                Ok(put.e_tag)
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    /// Parts are read one after the other, to be hashed on the way, and sent a few at once.
    async fn send_parts(&self, to: &Key, id: &str, body: &Body) -> Result<Vec<PartId>> {
        let bytes = body.bytes();
        let part = bytes.div_ceil(PARTS).next_multiple_of(PART_STEP).max(PART);
        let mut sum = Context::new(&SHA256);
        let mut sending = JoinSet::new();
        let mut parts: Vec<Option<PartId>> = Vec::new();
        for (number, start) in (0..bytes).step_by(part as usize).enumerate() {
            if sending.len() >= SENDING {
                self.note_part(to, &mut sending, &mut parts).await?;
            }
            let read = body.part(start..(start + part).min(bytes)).await?;
            sum.update(&read);
            parts.push(None);
            let (store, to, id) = (self.store.clone(), to.clone(), id.to_owned());
            let send = async move {
                (number, store.put_part(&to, &id, number, PutPayload::from(read)).await)
            };
            sending.spawn(send.in_current_span());
        }
        while !sending.is_empty() {
            self.note_part(to, &mut sending, &mut parts).await?;
        }
        body.agrees(sum)?;
        Ok(parts.into_iter().flatten().collect())
    }

    async fn note_part(
        &self,
        to: &Key,
        sending: &mut JoinSet<(usize, object_store::Result<PartId>)>,
        parts: &mut [Option<PartId>],
    ) -> Result<()> {
        match sending.join_next().await {
            Some(Ok((number, sent))) => {
                parts[number] = Some(sent.map_err(|e| self.failed("uploading", to, e))?)
            }
            Some(Err(error)) => {
                return Err(Error::Io {
                    doing: "uploading",
                    path: self.place.object(to).into(),
                    source: std::io::Error::other(error),
                });
            }
            None => {}
        }
        Ok(())
    }
}
