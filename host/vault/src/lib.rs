//! The vault port: packs as bytes, under their keys.
//!
//! **Laws**, which every adapter keeps:
//! - A pack is visible under its key complete, verified and durable, or not at all. Unfinished
//!   files are in staging, which no one reads; a crash leaves at most a staged file, which
//!   [`Vault::sweep`] removes.
//! - Packs never change. Storing an existing one replaces the old bytes by the new, verified ones.
//! - A directory is a cache: it may be missing at any time.
//! - A remote vault keeps copies on the local disk, and may lose them at any time. It evicts none
//!   that may be the last good one ([`Vault::consult`]). [`Vault::open`] never returns a copy of a
//!   deleted pack; [`Vault::open_uncached`] never returns a copy.

pub mod memory;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId};

/// What is in a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageContents {
    /// Where that is.
    pub place: String,
    /// Whether there is any pack.
    pub has_packs: bool,
    /// What the notes of catalogs there say.
    pub notes: Vec<String>,
    /// What the note of the catalog that was asked about would say.
    pub note: String,
}

impl StorageContents {
    /// Whether the packs there may belong to that catalog: its note is among them, or there is
    /// none.
    pub fn are_its_own(&self) -> bool {
        self.has_packs && (self.notes.is_empty() || self.notes.contains(&self.note))
    }
}

/// A file in staging: no one reads it until it is stored, and dropping it removes it.
#[must_use = "a staged file is removed when it is dropped"]
#[derive(Debug)]
pub struct StagedFile {
    /// Open for reading and writing, and locked for as long as its maker lives.
    pub file: File,
    path: PathBuf,
    kept: bool,
}

impl StagedFile {
    /// A file at a path, open for reading and writing and locked: for adapters.
    pub fn new(file: File, path: PathBuf) -> StagedFile {
        StagedFile { file, path, kept: false }
    }

    /// It has been moved to its place.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.kept {
            // What can't be removed now is swept at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A stored pack, open for reading.
#[derive(Debug)]
pub struct StoredPack {
    /// Its bytes.
    pub file: File,
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A pack in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPack {
    /// Its key, as its name says.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last written, by the clock of the storage.
    pub modified: Timestamp,
}

/// The result of a sweep of staging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepResult {
    /// Abandoned files.
    pub removed: u64,
    /// Files that are still being written.
    pub in_use: u64,
}

/// A pack that a run will read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefetchRequest {
    /// The pack.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// The only bytes of it that will be read, in order and apart; none: all of it may be.
    pub parts: Option<Vec<Range<u64>>>,
}

impl PrefetchRequest {
    /// Bytes of it that will be read.
    pub fn to_read(&self) -> u64 {
        self.parts
            .as_ref()
            .map_or(self.bytes, |parts| parts.iter().map(|part| part.end - part.start).sum())
    }
}

/// What reading some packs takes of the local disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadEstimate {
    /// Bytes of those packs that are not cached yet.
    pub to_download: u64,
    /// Bytes of packs that may be cached at once.
    pub budget: u64,
}

/// What was asked of the place that packs are in, since the vault was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, with those that failed and were tried again.
    pub requests: u64,
    /// Those of them that write or list: they cost some twelve times as much as others.
    pub write_requests: u64,
    /// Bytes sent.
    pub bytes_up: u64,
    /// Bytes received.
    pub bytes_down: u64,
}

/// What the catalog knows of packs: for a vault that evicts local copies of them.
#[async_trait]
pub trait KnownPacks: Send + Sync + std::fmt::Debug {
    /// For each key, whether a repo or a job needs that pack, or may need it again.
    async fn knows(&self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// Packs that are known to be damaged.
    async fn damaged(&self) -> Result<Vec<MpackKey>>;
}

/// Packs, their directories, and answers to fetches.
#[async_trait]
pub trait Vault: Send + Sync + std::fmt::Debug {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Where a pack is, or would be.
    fn place_of(&self, key: &MpackKey) -> String;

    /// Where a pack can be got, for at least as long as `ttl`.
    async fn url_of(&self, key: &MpackKey, ttl: Duration) -> Result<String>;

    /// The longest that a URL can be good; none: for ever.
    fn longest_url(&self) -> Option<Duration> {
        None
    }

    /// The folder on the local disk that is written to.
    fn folder(&self) -> PathBuf;

    /// Whether packs are downloaded before they are read: then it pays to prefetch them, or parts
    /// of them.
    fn is_remote(&self) -> bool {
        false
    }

    /// Where a pack is, or would be, as a file of the local disk that may be linked elsewhere:
    /// packs never change. None where packs are not such files.
    fn file_of(&self, _key: &MpackKey) -> Option<PathBuf> {
        None
    }

    /// A vault of the same kind in another folder, which exists.
    ///
    /// # Errors
    /// When packs are not files here; when the folder can't be used.
    fn in_folder(&self, _folder: &Path) -> Result<Arc<dyn Vault>> {
        Err(Error::Unsupported(format!("the packs in {} are not files", self.place())))
    }

    /// A new file in staging. `name` must be unused: 16 fresh random bytes.
    ///
    /// # Errors
    /// When the folder can't be written.
    fn stage(&self, name: [u8; 16]) -> Result<StagedFile>;

    /// Makes a staged file the pack of a key, durably.
    async fn store(&self, staged: StagedFile, key: &MpackKey) -> Result<()>;

    /// Opens a pack; `None` when it is not there.
    async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>>;

    /// Opens what is really stored under a key, past any copy.
    async fn open_uncached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.open(key).await
    }

    /// The size in bytes of what is really stored under a key, past any copy; `None` when it is not
    /// there. Cheap: no byte of it is read.
    async fn size_of(&self, key: &MpackKey) -> Result<Option<u64>> {
        Ok(self.open_uncached(key).await?.map(|stored| stored.bytes))
    }

    /// The hash of what is really stored under a key, past any copy: all of it is read now, and
    /// nothing of it is kept. `None` when it is not there.
    async fn hash_uncached(&self, key: &MpackKey) -> Result<Option<MpackKey>> {
        let Some(stored) = self.open_uncached(key).await? else { return Ok(None) };
        let place = stored.path.clone();
        let hashed =
            tokio::task::spawn_blocking(move || packhouse_model::files::key_of(&stored.file))
                .await
                .map_err(std::io::Error::other);
        hashed
            .and_then(|hashed| hashed)
            .map(Some)
            .map_err(packhouse_model::error::Error::io("reading", place))
    }

    /// Opens a pack for a run: a copy will do, whether the pack itself is still there or not.
    async fn open_cached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.open(key).await
    }

    /// From now on, local copies are evicted by what a catalog knows: never the copy of a pack that
    /// it knows and that is missing, of another size, or damaged where packs are stored.
    fn consult(&self, _known: Arc<dyn KnownPacks>) {}

    /// Drops the copies of a pack; whether there was one.
    async fn forget_copy(&self, _key: &MpackKey) -> Result<bool> {
        Ok(false)
    }

    /// Drops the copies of a pack that are not what its key names; whether there was one. An intact
    /// copy stays: it may be the last.
    async fn forget_damaged_copy(&self, _key: &MpackKey) -> Result<bool> {
        Ok(false)
    }

    /// Downloads packs before a run reads them, many at once. Returns those, by their index in
    /// `wanted`, of which it downloaded only the parts: elsewhere their bytes may be anything.
    /// Missing packs are left out: opening them reports it.
    async fn prefetch(&self, _wanted: &[PrefetchRequest]) -> Result<Vec<(usize, StoredPack)>> {
        Ok(Vec::new())
    }

    /// What downloading packs takes; each with its size in bytes.
    fn download_estimate(&self, _packs: &[(MpackKey, u64)]) -> Result<DownloadEstimate> {
        Ok(DownloadEstimate { to_download: 0, budget: u64::MAX })
    }

    /// What was asked of the place that the packs are in.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// Keeps a pack's directory. `name` as for [`Vault::stage`].
    async fn put_directory(&self, key: &MpackKey, bytes: &[u8], name: [u8; 16]) -> Result<()>;

    /// A pack's directory, unchecked; `None` when there is none.
    async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>>;

    /// Makes a staged file the answer to a fetch of a repo; gives where it can be got, for at least
    /// as long as `ttl`.
    async fn store_answer(
        &self,
        staged: StagedFile,
        repo: &RepoId,
        key: &MpackKey,
        ttl: Duration,
    ) -> Result<String>;

    /// The URL of an existing answer, valid for at least `ttl`.
    async fn url_of_answer(&self, repo: &RepoId, key: &MpackKey, ttl: Duration) -> Result<String>;

    /// Opens an answer; `None` when it is not there.
    async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>>;

    /// Removes an answer, if it exists.
    async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()>;

    /// Removes a pack and its directory, if they exist. Open readers can go on.
    async fn remove(&self, key: &MpackKey) -> Result<()>;

    /// All packs that there are, in no order.
    async fn list(&self) -> Result<Vec<ListedPack>>;

    /// Notes that a catalog has packs here, by its identity. Gives all that have, this one first.
    async fn register(&self, catalog: &str) -> Result<Vec<String>>;

    /// All catalogs that have packs here, and before them this one, whether that has been noted or
    /// not. Changes nothing.
    async fn catalogs(&self, catalog: &str) -> Result<Vec<String>>;

    /// Which vault it is: what [`Vault::identify`] gave it, wherever it has been moved to since.
    async fn identity(&self) -> Result<Option<[u8; 32]>>;

    /// Gives the vault an identity, if it has none; gives the one that it has.
    async fn identify(&self, fresh: [u8; 32]) -> Result<[u8; 32]>;

    /// Removes what crashes left in staging, and nothing that is not of this vault's making.
    async fn sweep(&self) -> Result<SweepResult>;

    /// Bytes that can still be written to [`Vault::folder`].
    fn free_bytes(&self) -> Result<u64>;
}
