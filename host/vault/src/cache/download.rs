//! Objects from a remote store, in parts, a few at once.

use std::io::{Error as IoError, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use packhouse_model::blocking::blocking;
use packhouse_model::digest::finish;
use packhouse_model::error::{Error, Result};
use packhouse_model::files::key_of;
use packhouse_model::names::MpackKey;
use ring::digest::{Context, SHA256};
use tokio::sync::Semaphore;

use crate::objects::ObjectName;
use crate::packs::{ObjectInfo, ObjectPart, RemotePackStore, StoredPack};
use crate::ranges::{Run, runs, too_short};
use crate::staging::{StagedFile, Staging};

/// Bytes of a part: large enough that a request's fixed cost does not matter, small enough to be
/// got again.
const PART: u64 = 8 << 20;
/// Bytes that are downloaded at once count in these.
const PERMIT: u64 = 1 << 20;
/// Parts that are downloaded at once, of all packs together: that is what it takes of memory.
const AT_ONCE: u64 = 8;
/// Gaps up to this size between ranges are downloaded, too, in bytes.
const GAP: u64 = 16 << 10;
/// From this number of requests on, a gap of this many bytes takes less time than a request.
const MANY_RUNS: usize = 64;
const GAP_OF_MANY: u64 = 128 << 10;
/// Parts of one pack that are got at once; see [`Downloader::permits`] for all of them.
const GETTING: usize = 8;

/// What was downloaded.
pub(super) struct DownloadedFile {
    pub(super) staged: StagedFile,
    pub(super) object: ObjectInfo,
}

impl DownloadedFile {
    /// As a pack that is deleted when it is closed.
    pub(super) fn unnamed(self, place: impl Into<PathBuf>) -> Result<StoredPack> {
        let file =
            self.staged.file.try_clone().map_err(Error::io("opening", self.staged.path()))?;
        Ok(StoredPack { file, path: place.into(), bytes: self.object.bytes })
    }
}

/// Downloads to staging.
#[derive(Debug)]
pub(super) struct Downloader {
    packs: Arc<dyn RemotePackStore>,
    staging: Arc<dyn Staging>,
    /// One for each [`PERMIT`] bytes that may be on their way.
    permits: Semaphore,
}

impl Downloader {
    pub(super) fn new(packs: Arc<dyn RemotePackStore>, staging: Arc<dyn Staging>) -> Downloader {
        let permits = Semaphore::new((AT_ONCE * PART / PERMIT) as usize);
        Downloader { packs, staging, permits }
    }

    /// Where objects are downloaded from.
    pub(super) fn packs(&self) -> &dyn RemotePackStore {
        self.packs.as_ref()
    }

    /// Some bytes of an object. `version`: only of that one.
    async fn get(
        &self,
        from: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectPart>> {
        let permits = (range.end - range.start).div_ceil(PERMIT).max(1);
        // The semaphore is never closed.
        let _permits = self.permits.acquire_many(u32::try_from(permits).unwrap_or(1)).await;
        self.packs.get(from, range, version).await
    }

    /// The first bytes of an object; `None` when it is not there. `expected` bytes at most, if so
    /// many are expected.
    async fn first(&self, from: &ObjectName, expected: Option<u64>) -> Result<Option<ObjectPart>> {
        self.get(from, 0..expected.unwrap_or(PART).clamp(1, PART), None).await
    }

    /// More bytes of an object that was there.
    async fn more(
        &self,
        from: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Vec<u8>> {
        let gone = || {
            let place = self.packs.place_of(from);
            Error::io("downloading", place)(IoError::from(ErrorKind::NotFound))
        };
        Ok(self.get(from, range, version).await?.ok_or_else(gone)?.bytes)
    }

    /// All bytes of an object, a part after the other; `None` when it is not there.
    async fn in_order(
        &self,
        from: &ObjectName,
        mut take: impl FnMut(Vec<u8>) + Send,
    ) -> Result<Option<()>> {
        let Some(first) = self.first(from, None).await? else { return Ok(None) };
        let (begun, version) = (first.bytes.len() as u64, first.object.version.as_deref());
        take(first.bytes);
        let rest = split(begun..first.object.bytes).map(|range| self.more(from, range, version));
        let mut rest = stream::iter(rest).buffered(GETTING);
        while let Some(part) = rest.next().await {
            take(part?);
        }
        Ok(Some(()))
    }

    /// An object in memory; `None` when it is not there.
    pub(super) async fn read(&self, from: &ObjectName) -> Result<Option<Vec<u8>>> {
        let mut all = Vec::new();
        let take = |part| if all.is_empty() { all = part } else { all.extend(part) };
        let found = self.in_order(from, take).await?;
        Ok(found.map(|()| all))
    }

    /// The hash of an object, of which nothing is kept but a few parts at a time; `None` when it is
    /// not there.
    pub(super) async fn hash(&self, from: &ObjectName) -> Result<Option<MpackKey>> {
        let mut sum = Context::new(&SHA256);
        let found = self.in_order(from, |part| sum.update(&part)).await?;
        Ok(found.map(|()| MpackKey::new(finish(sum))))
    }

    /// Ranges of an object in memory; `None` when it is not there. Near ones are got together; the
    /// more requests they would take, the larger may the gaps be between them.
    pub(super) async fn read_ranges(
        &self,
        from: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        let mut runs = runs(ranges, GAP);
        if runs.len() > MANY_RUNS {
            runs = self::runs(ranges, GAP_OF_MANY);
        }
        let got = runs.into_iter().map(async |run| {
            let bytes = self.run(from, &run).await?;
            Result::<_, Error>::Ok((run, bytes))
        });
        let mut got = stream::iter(got).buffer_unordered(GETTING);
        let mut out = vec![Bytes::new(); ranges.len()];
        while let Some((run, bytes)) = got.try_next().await? {
            let Some(bytes) = bytes else { return Ok(None) };
            if !run.cut(ranges, &bytes, &mut out) {
                return Err(too_short(&run, self.packs.place_of(from)));
            }
        }
        Ok(Some(out))
    }

    /// The bytes of a run, a part after the other; `None` when the object is not there.
    async fn run(&self, from: &ObjectName, run: &Run) -> Result<Option<Bytes>> {
        let mut all = Vec::new();
        for part in split(run.range.clone()) {
            let wanted = part.end - part.start;
            let Some(ObjectPart { bytes, .. }) = self.get(from, part, None).await? else {
                return Ok(None);
            };
            let is_end = (bytes.len() as u64) < wanted;
            if all.is_empty() {
                all = bytes
            } else {
                all.extend(bytes)
            }
            if is_end {
                break;
            }
        }
        Ok(Some(all.into()))
    }

    /// Gets ranges into a file, at the places where they are in the object.
    async fn get_into(
        &self,
        from: &ObjectName,
        staged: &StagedFile,
        ranges: impl Iterator<Item = Range<u64>> + Send,
        version: Option<&str>,
    ) -> Result<()> {
        let file = Arc::new(staged.file.try_clone().map_err(Error::io("opening", staged.path()))?);
        let (file, path) = (&file, staged.path());
        stream::iter(ranges)
            .map(|range| async move {
                let at = range.start;
                let bytes = self.more(from, range, version).await?;
                let (file, path) = (file.clone(), path.to_owned());
                let write = move || file.write_all_at(&bytes, at);
                blocking(move || write().map_err(Error::io("writing", path))).await
            })
            .buffer_unordered(GETTING)
            .try_collect()
            .await
    }

    /// Fails before something is downloaded that the disk can't hold.
    fn need_space(&self, bytes: u64) -> Result<()> {
        let free = self.staging.free_bytes()?;
        if free >= bytes {
            return Ok(());
        }
        let source = IoError::new(
            ErrorKind::StorageFull,
            format!(
                "not enough disk space for a copy of a pack: {bytes} bytes needed, {free} free"
            ),
        );
        Err(Error::io("writing to", self.staging.folder())(source))
    }

    /// Downloads an object to staging; `None` when it is not there.
    async fn download(
        &self,
        from: &ObjectName,
        expected: Option<u64>,
    ) -> Result<Option<DownloadedFile>> {
        let Some(first) = self.first(from, expected).await? else { return Ok(None) };
        let ObjectPart { bytes: first, object } = first;
        self.need_space(object.bytes)?;
        let staged = self.staging.stage_unnamed()?;
        let begun = first.len() as u64;
        staged
            .file
            .set_len(object.bytes)
            .and_then(|()| staged.file.write_all_at(&first, 0))
            .map_err(Error::io("writing", staged.path()))?;
        drop(first);
        let rest = split(begun..object.bytes);
        self.get_into(from, &staged, rest, object.version.as_deref()).await?;
        Ok(Some(DownloadedFile { staged, object }))
    }

    /// Downloads a pack, and once more when it is not what its key says; whether it is.
    pub(super) async fn download_pack(
        &self,
        from: &ObjectName,
        key: &MpackKey,
        expected: Option<u64>,
    ) -> Result<Option<(DownloadedFile, bool)>> {
        for again in [true, false] {
            let Some(got) = self.download(from, expected).await? else { return Ok(None) };
            let path = got.staged.path().to_owned();
            let file = got.staged.file.try_clone().map_err(Error::io("reading", &path))?;
            let found = blocking(move || key_of(&file).map_err(Error::io("reading", path))).await?;
            if found == *key || !again {
                return Ok(Some((got, found == *key)));
            }
            tracing::warn!(
                "{} does not match its hash; downloading it again",
                self.packs.place_of(from)
            );
        }
        unreachable!("the last download is answered")
    }

    /// Downloads parts of a pack to an unnamed file that is as long as the pack; `None` when it is
    /// not there.
    pub(super) async fn download_parts(
        &self,
        from: &ObjectName,
        parts: &[Range<u64>],
    ) -> Result<Option<StoredPack>> {
        let Some(object) = self.packs.info(from).await? else { return Ok(None) };
        self.need_space(parts.iter().map(|part| part.end - part.start).sum())?;
        let staged = self.staging.stage_unnamed()?;
        staged.file.set_len(object.bytes).map_err(Error::io("writing", staged.path()))?;
        let ranges: Vec<_> =
            parts.iter().flat_map(|part| split(part.start..part.end.min(object.bytes))).collect();
        self.get_into(from, &staged, ranges.into_iter(), object.version.as_deref()).await?;
        DownloadedFile { staged, object }.unnamed(self.packs.place_of(from)).map(Some)
    }
}

/// Ranges of a part each, the last of what is left.
fn split(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(PART as usize).map(move |start| start..(start + PART).min(end))
}
