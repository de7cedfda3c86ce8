//! Objects from the bucket, in parts, a few at once.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use packhouse_model::error::{Error, Result};
use packhouse_model::files::key_of;
use packhouse_model::names::MpackKey;
use packhouse_vault::{StagedFile, StoredPack};
use ring::digest::{Context, SHA256};

use super::S3Vault;
use super::failed::{is_gone, is_out_of_range};
use super::parts::{PART, PERMIT, disk, split};

/// Parts of one pack that are got at once; see [`S3Vault::permits`] for all of them.
const GETTING: usize = 8;

/// What was downloaded.
pub(super) struct DownloadedFile {
    pub(super) staged: StagedFile,
    pub(super) bytes: u64,
    pub(super) etag: Option<String>,
}

impl DownloadedFile {
    /// As a pack that is deleted when it is closed.
    pub(super) fn unnamed(self, place: PathBuf) -> Result<StoredPack> {
        let file =
            self.staged.file.try_clone().map_err(Error::io("opening", self.staged.path()))?;
        Ok(StoredPack { file, path: place, bytes: self.bytes })
    }
}

impl S3Vault {
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
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: etag.map(str::to_owned),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(from, options).await?;
        let (size, etag) = (found.meta.size, found.meta.e_tag.clone());
        Ok((found.bytes().await?.into(), size, etag))
    }

    /// The first bytes of an object; `None` when it is not there. `expected` bytes at most, if so
    /// many are expected.
    async fn first(
        &self,
        from: &Key,
        expected: Option<u64>,
    ) -> Result<Option<(Vec<u8>, u64, Option<String>)>> {
        let range = 0..expected.unwrap_or(PART).clamp(1, PART);
        match self.get(from, range, None).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if is_gone(&e) => Ok(None),
            // Of an empty object there is no first byte.
            Err(e) if is_out_of_range(&e) => match self.store.head(from).await {
                Ok(found) if found.size == 0 => Ok(Some((Vec::new(), 0, found.e_tag))),
                _ => Err(self.failed("downloading", from, e)),
            },
            Err(e) => Err(self.failed("downloading", from, e)),
        }
    }

    /// Gets ranges into a file, at the places where they are in the object.
    async fn get_into(
        &self,
        from: &Key,
        staged: &StagedFile,
        ranges: impl Iterator<Item = Range<u64>>,
        etag: Option<&str>,
    ) -> Result<()> {
        let file = Arc::new(staged.file.try_clone().map_err(Error::io("opening", staged.path()))?);
        let (file, path) = (&file, staged.path());
        stream::iter(ranges)
            .map(|range| async move {
                let at = range.start;
                let (bytes, _, _) = self
                    .get(from, range, etag)
                    .await
                    .map_err(|e| self.failed("downloading", from, e))?;
                let file = file.clone();
                disk(move || file.write_all_at(&bytes, at))
                    .await
                    .map_err(Error::io("writing", path))
            })
            .buffer_unordered(GETTING)
            .try_collect()
            .await
    }

    /// An object in memory; `None` when it is not there.
    pub(super) async fn download_bytes(&self, from: &Key) -> Result<Option<Vec<u8>>> {
        let Some((mut all, size, etag)) = self.first(from, None).await? else { return Ok(None) };
        let rest =
            split(all.len() as u64..size, PART).map(|range| self.get(from, range, etag.as_deref()));
        let mut rest = stream::iter(rest).buffered(GETTING);
        while let Some(part) = rest.next().await {
            all.extend(part.map_err(|e| self.failed("downloading", from, e))?.0);
        }
        Ok(Some(all))
    }

    /// The hash of an object, of which nothing is kept but a few parts at a time; `None` when it is
    /// not there.
    pub(super) async fn hash_object(&self, from: &Key) -> Result<Option<MpackKey>> {
        let Some((first, size, etag)) = self.first(from, None).await? else { return Ok(None) };
        let mut sum = Context::new(&SHA256);
        sum.update(&first);
        let rest = split(first.len() as u64..size, PART)
            .map(|range| self.get(from, range, etag.as_deref()));
        let mut rest = stream::iter(rest).buffered(GETTING);
        while let Some(part) = rest.next().await {
            sum.update(&part.map_err(|e| self.failed("downloading", from, e))?.0);
        }
        let mut key = [0; 32];
        key.copy_from_slice(sum.finish().as_ref());
        Ok(Some(MpackKey::new(key)))
    }

    /// Downloads an object to staging; `None` when it is not there.
    async fn download(&self, from: &Key, expected: Option<u64>) -> Result<Option<DownloadedFile>> {
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
        Ok(Some(DownloadedFile { staged, bytes, etag }))
    }

    /// Downloads a pack, and once more when it is not what its key says; whether it is.
    pub(super) async fn download_pack(
        &self,
        from: &Key,
        key: &MpackKey,
        expected: Option<u64>,
    ) -> Result<Option<(DownloadedFile, bool)>> {
        for again in [true, false] {
            let Some(got) = self.download(from, expected).await? else { return Ok(None) };
            let (file, path) = (got.staged.file.try_clone(), got.staged.path().to_owned());
            let found = disk(move || key_of(&file?)).await.map_err(Error::io("reading", path))?;
            if found == *key || !again {
                return Ok(Some((got, found == *key)));
            }
            tracing::warn!(
                "{} does not match its hash; downloading it again",
                self.place.object(from)
            );
        }
        unreachable!("the last download is answered")
    }

    /// Downloads parts of a pack to an unnamed file that is as long as the pack; `None` when it is
    /// not there.
    pub(super) async fn download_parts(
        &self,
        from: &Key,
        parts: &[Range<u64>],
        place: &Path,
    ) -> Result<Option<StoredPack>> {
        let found = match self.store.head(from).await {
            Ok(found) => found,
            Err(e) if is_gone(&e) => return Ok(None),
            Err(e) => return Err(self.failed("looking for", from, e)),
        };
        self.need_space(parts.iter().map(|part| part.end - part.start).sum())?;
        let staged = self.staging.make_any()?;
        staged.file.set_len(found.size).map_err(Error::io("writing", staged.path()))?;
        let ranges: Vec<_> = parts
            .iter()
            .flat_map(|part| split(part.start..part.end.min(found.size), PART))
            .collect();
        self.get_into(from, &staged, ranges.into_iter(), found.e_tag.as_deref()).await?;
        DownloadedFile { staged, bytes: found.size, etag: found.e_tag }
            .unnamed(place.to_owned())
            .map(Some)
    }
}
