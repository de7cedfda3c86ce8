//! A cache in front of a remote store: the spool, copies of packs on the local disk.
//!
//! Packs are read from copies, which are downloaded in parts and whose hash is compared with their
//! key. Copies may be lost at any time, and stores and processes may share a spool. This folder does
//! not depend on S3: its tests use packs in memory. See `docs/decisions/0010-s3.md`.

mod download;
mod evict;
mod prefetch;
mod spool;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use packhouse_model::blocking::blocking;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;

use self::download::Downloader;
use self::evict::Evictor;
use self::prefetch::Extent;
use self::spool::Spool;
use crate::objects::ObjectName;
use crate::packs::{RemotePackStore, StoredPack};
use crate::ranges::read_runs;
use crate::staging::{StagedFile, Staging};

pub use self::evict::KnownPacks;
pub use self::prefetch::PrefetchRequest;

/// Packs that are downloaded at once. The number of bytes is bounded elsewhere.
const PACKS_AT_ONCE: usize = 16;

/// What reading some packs takes of the local disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadEstimate {
    /// Bytes of those packs that are not cached yet.
    pub to_download: u64,
    /// Bytes of packs that may be cached at once.
    pub budget: u64,
}

/// Remote packs that are read from local copies.
#[derive(Debug)]
pub(crate) struct CachedPacks {
    remote: Downloader,
    spool: Spool,
    evictor: Evictor,
    /// Packs that are being downloaded: each by one task at a time.
    gates: Mutex<BTreeMap<MpackKey, Weak<tokio::sync::Mutex<()>>>>,
}

impl CachedPacks {
    /// A cache in the folder of staging: copies of at most `budget` bytes.
    pub(crate) fn new(
        packs: Arc<dyn RemotePackStore>,
        staging: Arc<dyn Staging>,
        budget: u64,
    ) -> CachedPacks {
        CachedPacks {
            spool: Spool::of(staging.folder(), budget),
            remote: Downloader::new(packs, staging),
            evictor: Evictor::new(),
            gates: Mutex::default(),
        }
    }

    /// The remote store.
    pub(crate) fn packs(&self) -> &dyn RemotePackStore {
        self.remote.packs()
    }

    /// Copies are evicted by what a catalog knows from now on.
    pub(crate) fn consult(&self, known: Arc<dyn KnownPacks>) {
        self.evictor.consult(known);
    }

    /// Uploads a staged pack and keeps it as a copy: it is what is read next.
    pub(crate) async fn store(
        &self,
        staged: StagedFile,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<()> {
        let version = self.packs().put(&staged, name, key).await?;
        match self.spool.take(staged, key, version.as_deref())? {
            Some(copy) => self.evictor.evict(&self.spool, &self.remote, &copy).await,
            None => Ok(()),
        }
    }

    /// Opens an object that is a pack: a copy of its present version, or a new one. The copy of a
    /// deleted or rewritten object is not returned, and stays: it may be the last intact one.
    pub(crate) async fn open(
        &self,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<Option<StoredPack>> {
        if !self.spool.has(key)? {
            return self.cached(name, key, None).await;
        }
        let Some(now) = self.packs().info(name).await? else { return Ok(None) };
        let copied = || self.spool.of_object(key, now.version.as_deref(), now.bytes);
        if let Some(copy) = copied()? {
            return Ok(Some(copy));
        }
        let gate = self.gate(key);
        let _alone = gate.lock().await;
        match copied()? {
            Some(copy) => Ok(Some(copy)),
            None => self.download_again(name, key, None).await,
        }
    }

    /// Opens a copy of a pack, whether the pack itself is still there or not; else downloads it.
    pub(crate) async fn open_cached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        match self.spool.any(key)? {
            Some(copy) => Ok(Some(copy)),
            None => self.cached(&ObjectName::Pack(*key), key, None).await,
        }
    }

    /// Opens what is really stored under a key.
    pub(crate) async fn open_uncached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        let name = ObjectName::Pack(*key);
        let got = self.remote.download_pack(&name, key, None).await?;
        got.map(|(got, _)| got.unnamed(self.packs().place_of(&name))).transpose()
    }

    /// The hash of what is really stored under a key.
    pub(crate) async fn hash_uncached(&self, key: &MpackKey) -> Result<Option<MpackKey>> {
        self.remote.hash(&ObjectName::Pack(*key)).await
    }

    /// A small object, which is not cached.
    pub(crate) async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>> {
        self.remote.read(name).await
    }

    /// Parts of an object, which are not cached.
    pub(crate) async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        self.remote.read_ranges(name, ranges).await
    }

    /// Parts of a pack: of a copy, whether the pack itself is still there or not; else they are
    /// downloaded.
    pub(crate) async fn read_spans(
        &self,
        key: &MpackKey,
        spans: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        let Some(StoredPack { file, path, .. }) = self.spool.any(key)? else {
            return self.read_ranges(&ObjectName::Pack(*key), spans).await;
        };
        let spans = spans.to_vec();
        blocking(move || read_runs(&file, &spans, || path.display().to_string()).map(Some)).await
    }

    /// Drops the copies of a pack; whether there was one.
    pub(crate) fn forget(&self, key: &MpackKey) -> Result<bool> {
        self.spool.forget(key)
    }

    /// Drops the copies of a pack that are not what its key names; whether there was one.
    pub(crate) async fn forget_damaged(&self, key: &MpackKey) -> Result<bool> {
        let (spool, key) = (self.spool.clone(), *key);
        blocking(move || spool.forget_unsound(&key)).await
    }

    /// What downloading packs takes; each with its size in bytes.
    pub(crate) fn estimate(&self, packs: &[(MpackKey, u64)]) -> Result<DownloadEstimate> {
        let mut to_download = 0;
        for (key, bytes) in packs {
            to_download += if self.spool.has(key)? { 0 } else { *bytes };
        }
        Ok(DownloadEstimate { to_download, budget: self.spool.budget() })
    }

    /// Downloads packs, many at once; returns those of which it downloaded only parts.
    pub(crate) async fn prefetch(
        &self,
        wanted: &[PrefetchRequest],
    ) -> Result<Vec<(usize, StoredPack)>> {
        let extents = prefetch::extents(wanted, &self.spool)?;
        let brought = stream::iter(extents).map(|(n, extent)| async move {
            let partly = self.prefetch_one(&wanted[n], extent).await?;
            Ok(partly.map(|stored| (n, stored)))
        });
        brought
            .buffer_unordered(PACKS_AT_ONCE)
            .try_filter_map(|partly| std::future::ready(Ok(partly)))
            .try_collect()
            .await
    }

    async fn prefetch_one(
        &self,
        pack: &PrefetchRequest,
        extent: Extent,
    ) -> Result<Option<StoredPack>> {
        let name = ObjectName::Pack(pack.key);
        match extent {
            Extent::Parts(parts) => self.remote.download_parts(&name, &parts).await,
            Extent::Whole => self.cache_whole(&name, &pack.key, pack.bytes).await.map(|()| None),
        }
    }

    /// Makes sure that there is a copy of a pack, and that the pack exists.
    async fn cache_whole(&self, name: &ObjectName, key: &MpackKey, bytes: u64) -> Result<()> {
        if self.spool.has(key)? {
            // The copy of a deleted or rewritten object stays: it may be the last intact one.
            let Some(now) = self.packs().info(name).await? else { return Ok(()) };
            if self.spool.of_object(key, now.version.as_deref(), now.bytes)?.is_none() {
                self.download_again(name, key, Some(bytes)).await?;
            }
            return Ok(());
        }
        self.cached(name, key, Some(bytes)).await.map(|_| ())
    }

    /// The mutex of a pack that is being downloaded.
    fn gate(&self, key: &MpackKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(key).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::<tokio::sync::Mutex<()>>::default();
        gates.insert(*key, Arc::downgrade(&gate));
        gate
    }

    /// Downloads a pack and keeps the copy, unless another task does so. A pack that does not match
    /// its key is returned and not kept.
    async fn cached(
        &self,
        name: &ObjectName,
        key: &MpackKey,
        expected: Option<u64>,
    ) -> Result<Option<StoredPack>> {
        let gate = self.gate(key);
        let _alone = gate.lock().await;
        match self.spool.any(key)? {
            Some(copy) => Ok(Some(copy)),
            None => self.download_again(name, key, expected).await,
        }
    }

    /// The same, whatever copies there are of what the object was before.
    async fn download_again(
        &self,
        name: &ObjectName,
        key: &MpackKey,
        expected: Option<u64>,
    ) -> Result<Option<StoredPack>> {
        let Some((got, sound)) = self.remote.download_pack(name, key, expected).await? else {
            return Ok(None);
        };
        if !sound {
            return got.unnamed(self.packs().place_of(name)).map(Some);
        }
        let (bytes, path) = (got.object.bytes, got.staged.path().to_owned());
        let file = got.staged.file.try_clone().map_err(Error::io("opening", &path))?;
        let path = match self.spool.take(got.staged, key, got.object.version.as_deref())? {
            None => path,
            Some(path) => {
                self.spool.forget_others(key, &path)?;
                self.evictor.evict(&self.spool, &self.remote, &path).await?;
                path
            }
        };
        Ok(Some(StoredPack { file, path, bytes }))
    }
}
