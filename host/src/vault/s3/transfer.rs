//! Bytes to the bucket and from it, in parts, a few at once.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use ring::digest::{Context, SHA256};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::S3Vault;
use super::failed::is_gone;
use crate::error::{Error, Result};
use crate::names::MpackKey;
use crate::vault::{Staged, StoredPack};

/// Bytes of a part, up and down: large enough that a request's fixed cost does not matter, small enough to be sent again.
pub(super) const PART: u64 = 8 << 20;
/// Up to here an object is sent in one request.
const SINGLE: u64 = 16 << 20;
/// Parts that a multipart upload may have, of the 10 000 that S3 allows.
const PARTS: u64 = 9_000;
/// Parts of one upload that are sent at once.
const SENDING: usize = 4;
/// Parts of one pack that are got at once; see [`S3Vault::permits`] for all of them.
const GETTING: usize = 8;
/// Bytes that are downloaded at once count in these.
pub(super) const PERMIT: u64 = 1 << 20;
/// How long giving an upload up may take.
const ABORTING: Duration = Duration::from_secs(5);

/// What is uploaded.
pub(super) enum Body {
    /// A file, whose hash must be the key while it is read.
    File { file: Arc<File>, path: PathBuf, bytes: u64, key: MpackKey },
    /// Bytes.
    Bytes(Arc<[u8]>),
}

impl Body {
    /// A staged file that is to be a pack.
    pub(super) fn staged(staged: &Staged, key: &MpackKey) -> Result<Body> {
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

    async fn part(&self, range: Range<u64>) -> Result<Vec<u8>> {
        match self {
            Body::Bytes(bytes) => Ok(bytes[range.start as usize..range.end as usize].to_vec()),
            Body::File { file, path, .. } => {
                let file = file.clone();
                let read = disk(move || {
                    let mut part = vec![0; (range.end - range.start) as usize];
                    file.read_exact_at(&mut part, range.start).map(|()| part)
                });
                read.await.map_err(Error::io("reading", path))
            }
        }
    }

    /// What was read must be what was proven: nothing else is made visible.
    fn agrees(&self, sum: Context) -> Result<()> {
        match self {
            Body::File { key, path, .. } if sum.clone().finish().as_ref() != key.digest() => {
                let source = std::io::Error::other(format!("its bytes are no longer those of {key}; is the disk failing?"));
                Err(Error::Io { doing: "reading", path: path.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

/// Runs work on local files where it blocks nobody.
async fn disk<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(std::io::Error::other(e)))
}

/// Ranges of a length each, the last of what is left.
fn split(range: Range<u64>, part: u64) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(part as usize).map(move |start| start..(start + part).min(end))
}

/// A multipart upload that is given up when it is dropped.
struct Unfinished {
    store: Arc<AmazonS3>,
    to: Key,
    id: Option<String>,
}

impl Unfinished {
    /// Tells the server; it keeps, and bills, the parts until then.
    async fn abort(&mut self) {
        let Some(id) = self.id.take() else { return };
        let aborting = tokio::time::timeout(ABORTING, self.store.abort_multipart(&self.to, &id)).await;
        if !matches!(aborting, Ok(Ok(()))) {
            tracing::warn!(
                "an upload to {} could not be given up; a lifecycle rule of the bucket should remove its parts",
                self.to
            );
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Whoever waited for the upload went away.
        if self.id.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            let mut left = Unfinished { store: self.store.clone(), to: self.to.clone(), id: self.id.take() };
            runtime.spawn(async move { left.abort().await });
        }
    }
}

/// What was downloaded.
pub(super) struct Got {
    pub(super) staged: Staged,
    pub(super) bytes: u64,
    pub(super) etag: Option<String>,
}

impl Got {
    /// As a pack that is gone when it is closed.
    pub(super) fn unnamed(self, place: PathBuf) -> Result<StoredPack> {
        let file = self.staged.file.try_clone().map_err(Error::io("opening", self.staged.path()))?;
        Ok(StoredPack { file, path: place, bytes: self.bytes })
    }
}

impl S3Vault {
    /// Uploads an object; gives its ETag. It is visible when it is whole, or not at all.
    pub(super) async fn upload(&self, to: &Key, body: Body) -> Result<Option<String>> {
        let bytes = body.bytes();
        let etag = if bytes <= SINGLE {
            let part = body.part(0..bytes).await?;
            let mut sum = Context::new(&SHA256);
            sum.update(&part);
            body.agrees(sum)?;
            self.store.put(to, PutPayload::from(part)).await.map_err(|e| self.failed("uploading", to, e))?.e_tag
        } else {
            self.upload_parts(to, &body).await?
        };
        let there = self.store.head(to).await.map_err(|e| self.failed("looking for", to, e))?;
        if there.size != bytes {
            return Err(Error::Storage {
                doing: "uploading",
                place: self.place.object(to),
                server: self.place.server().to_owned(),
                reason: format!("it has {} bytes there, where {bytes} were sent", there.size),
                way_out: "Look at the object, and try again",
            });
        }
        Ok(there.e_tag.or(etag))
    }

    async fn upload_parts(&self, to: &Key, body: &Body) -> Result<Option<String>> {
        let failed = |e| self.failed("uploading", to, e);
        let id = self.store.create_multipart(to).await.map_err(failed)?;
        let mut upload = Unfinished { store: self.store.clone(), to: to.clone(), id: Some(id.clone()) };
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
        let part = bytes.div_ceil(PARTS).next_multiple_of(PERMIT).max(PART);
        let mut sum = Context::new(&SHA256);
        let mut sending = JoinSet::new();
        let mut parts: Vec<Option<PartId>> = Vec::new();
        for (number, range) in split(0..bytes, part).enumerate() {
            if sending.len() >= SENDING {
                self.note_part(to, &mut sending, &mut parts).await?;
            }
            let read = body.part(range).await?;
            sum.update(&read);
            parts.push(None);
            let (store, to, id) = (self.store.clone(), to.clone(), id.to_owned());
            sending.spawn(async move { (number, store.put_part(&to, &id, number, PutPayload::from(read)).await) });
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
            Some(Ok((number, sent))) => parts[number] = Some(sent.map_err(|e| self.failed("uploading", to, e))?),
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

    /// Some bytes of an object, with its size and ETag. `etag`: only of that object.
    async fn get(
        &self,
        from: &Key,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> object_store::Result<(Vec<u8>, u64, Option<String>)> {
        let permits = (range.end - range.start).div_ceil(PERMIT).max(1);
        // The semaphore is never closed.
        let _permits = self.permits.acquire_many(u32::try_from(permits).unwrap_or(1)).await;
        let options =
            GetOptions { range: Some(GetRange::Bounded(range)), if_match: etag.map(str::to_owned), ..GetOptions::default() };
        let found = self.store.get_opts(from, options).await?;
        let (size, etag) = (found.meta.size, found.meta.e_tag.clone());
        Ok((found.bytes().await?.into(), size, etag))
    }

    /// The first bytes of an object; `None` when it is not there. `expected` bytes at most, if so many are expected.
    async fn first(&self, from: &Key, expected: Option<u64>) -> Result<Option<(Vec<u8>, u64, Option<String>)>> {
        let range = 0..expected.unwrap_or(PART).clamp(1, PART);
        match self.get(from, range, None).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if is_gone(&e) => Ok(None),
            // Of an empty object there is no first byte.
            Err(e) => match self.store.head(from).await {
                Ok(found) if found.size == 0 => Ok(Some((Vec::new(), 0, found.e_tag))),
                _ => Err(self.failed("downloading", from, e)),
            },
        }
    }

    /// Gets ranges into a file, at the places where they are in the object.
    async fn get_into(
        &self,
        from: &Key,
        staged: &Staged,
        ranges: impl Iterator<Item = Range<u64>>,
        etag: Option<&str>,
    ) -> Result<()> {
        let file = Arc::new(staged.file.try_clone().map_err(Error::io("opening", staged.path()))?);
        let (file, path) = (&file, staged.path());
        stream::iter(ranges)
            .map(|range| async move {
                let at = range.start;
                let (bytes, _, _) = self.get(from, range, etag).await.map_err(|e| self.failed("downloading", from, e))?;
                let file = file.clone();
                disk(move || file.write_all_at(&bytes, at)).await.map_err(Error::io("writing", path))
            })
            .buffer_unordered(GETTING)
            .try_collect()
            .await
    }

    /// An object in memory; `None` when it is not there.
    pub(super) async fn download_bytes(&self, from: &Key) -> Result<Option<Vec<u8>>> {
        let Some((mut all, size, etag)) = self.first(from, None).await? else { return Ok(None) };
        let rest = split(all.len() as u64..size, PART).map(|range| self.get(from, range, etag.as_deref()));
        let mut rest = stream::iter(rest).buffered(GETTING);
        while let Some(part) = rest.next().await {
            all.extend(part.map_err(|e| self.failed("downloading", from, e))?.0);
        }
        Ok(Some(all))
    }

    /// Downloads an object to staging; `None` when it is not there.
    async fn download(&self, from: &Key, expected: Option<u64>) -> Result<Option<Got>> {
        let Some((first, bytes, etag)) = self.first(from, expected).await? else { return Ok(None) };
        self.need_space(bytes)?;
        let staged = self.staging.make_any()?;
        let begun = first.len() as u64;
        staged
            .file
            .set_len(bytes)
            .and_then(|()| staged.file.write_all_at(&first, 0))
            .map_err(Error::io("writing", staged.path()))?;
        drop(first);
        self.get_into(from, &staged, split(begun..bytes, PART), etag.as_deref()).await?;
        Ok(Some(Got { staged, bytes, etag }))
    }

    /// Downloads a pack, and once more when it is not what its key says; whether it is.
    pub(super) async fn download_pack(&self, from: &Key, key: &MpackKey, expected: Option<u64>) -> Result<Option<(Got, bool)>> {
        for again in [true, false] {
            let Some(got) = self.download(from, expected).await? else { return Ok(None) };
            let (file, path) = (got.staged.file.try_clone(), got.staged.path().to_owned());
            let found = disk(move || hash(&file?)).await.map_err(Error::io("reading", path))?;
            if found == *key || !again {
                return Ok(Some((got, found == *key)));
            }
            tracing::warn!("{} came with other bytes than its name says; getting it again", self.place.object(from));
        }
        unreachable!("the last download is answered")
    }

    /// Downloads parts of a pack to an unnamed file that is as long as the pack; `None` when it is not there.
    pub(super) async fn download_parts(&self, from: &Key, parts: &[Range<u64>], place: &Path) -> Result<Option<StoredPack>> {
        let found = match self.store.head(from).await {
            Ok(found) => found,
            Err(e) if is_gone(&e) => return Ok(None),
            Err(e) => return Err(self.failed("looking for", from, e)),
        };
        self.need_space(parts.iter().map(|part| part.end - part.start).sum())?;
        let staged = self.staging.make_any()?;
        staged.file.set_len(found.size).map_err(Error::io("writing", staged.path()))?;
        let ranges: Vec<_> = parts.iter().flat_map(|part| split(part.start..part.end.min(found.size), PART)).collect();
        self.get_into(from, &staged, ranges.into_iter(), found.e_tag.as_deref()).await?;
        Got { staged, bytes: found.size, etag: found.e_tag }.unnamed(place.to_owned()).map(Some)
    }
}

/// The key of a file's bytes.
fn hash(file: &File) -> std::io::Result<MpackKey> {
    let mut sum = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let n = file.read_at(&mut buffer, at)?;
        if n == 0 {
            let mut key = [0; 32];
            key.copy_from_slice(sum.finish().as_ref());
            return Ok(MpackKey::new(key));
        }
        sum.update(&buffer[..n]);
        at += n as u64;
    }
}
