//! Packs in memory: for tests, demos and embedding. They are lost when the process ends.
//!
//! It is the ports' laws in the shortest form. Only what the ports say is a file is one: staged
//! packs, in a temporary folder, and packs while they are open.

use std::collections::HashMap;
use std::io::{Error as IoError, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use crate::objects::ObjectName;
use crate::packs::{
    FilePackStore, ListedPack, ObjectInfo, ObjectPart, PackStore, RemotePackStore, StoredPack,
    Traffic,
};
use crate::staging::{StagedFile, Staging, StagingFolder, SweepResult};
use crate::vault::Vault;

/// An object: its bytes, and which version of it that is.
#[derive(Clone, Debug)]
struct Object {
    bytes: Arc<[u8]>,
    version: u64,
}

impl Object {
    fn info(&self) -> ObjectInfo {
        ObjectInfo { bytes: self.bytes.len() as u64, version: Some(self.version.to_string()) }
    }
}

/// Packs in memory, at first none. It is a store of both kinds: its packs open as files, or are
/// downloaded and uploaded. Then requests and bytes are counted.
#[derive(Debug, Default)]
pub struct MemoryPacks {
    objects: Mutex<HashMap<ObjectName, Object>>,
    versions: AtomicU64,
    requests: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

fn failed(doing: &'static str) -> impl FnOnce(IoError) -> Error {
    Error::io(doing, "memory")
}

impl MemoryPacks {
    /// The map is whole between any two statements, whatever panicked meanwhile.
    fn objects(&self) -> MutexGuard<'_, HashMap<ObjectName, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, name: &ObjectName) -> Option<Object> {
        self.objects().get(name).cloned()
    }

    /// The bytes of an object.
    pub fn bytes(&self, name: &ObjectName) -> Option<Vec<u8>> {
        self.object(name).map(|object| object.bytes.to_vec())
    }

    /// Writes an object, which is a new version of it; returns the version.
    pub fn put_bytes(&self, name: &ObjectName, bytes: &[u8]) -> String {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        self.objects().insert(name.clone(), Object { bytes: bytes.into(), version });
        version.to_string()
    }

    /// The bytes that a URL of these packs leads to.
    pub fn follow(&self, url: &str) -> Option<Vec<u8>> {
        let objects = self.objects();
        let (_, object) = objects.iter().find(|(name, _)| self.place_of(name) == url)?;
        Some(object.bytes.to_vec())
    }
}

/// Bytes of an object: fewer if it ends before the range does.
fn part(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    let end = range.end.min(bytes.len() as u64);
    bytes[range.start.min(end) as usize..end as usize].to_vec()
}

/// Reads a staged file whole.
fn read(staged: &StagedFile) -> Result<Vec<u8>> {
    let read = || {
        let mut bytes = vec![0; staged.file.metadata()?.len() as usize];
        staged.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    read().map_err(failed("reading"))
}

#[async_trait]
impl PackStore for MemoryPacks {
    fn place(&self) -> String {
        "memory".into()
    }

    fn place_of(&self, name: &ObjectName) -> String {
        match name {
            ObjectName::Pack(key) => format!("memory:{key}"),
            ObjectName::Answer(repo, key) => format!("memory:{repo}/{key}"),
            other => format!("memory:{other}"),
        }
    }

    async fn url_of(&self, name: &ObjectName, _ttl: Duration) -> Result<String> {
        Ok(self.place_of(name))
    }

    fn longest_url(&self) -> Option<Duration> {
        None
    }

    async fn info(&self, name: &ObjectName) -> Result<Option<ObjectInfo>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(self.object(name).map(|object| object.info()))
    }

    async fn write(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.put_bytes(name, &bytes);
        Ok(())
    }

    async fn write_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        if self.object(name).is_none() {
            self.put_bytes(name, bytes);
        }
        Ok(())
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        self.objects().remove(name);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedPack>> {
        let listed = |(name, object): (&ObjectName, &Object)| match name {
            ObjectName::Pack(key) => Some(ListedPack {
                key: *key,
                bytes: object.bytes.len() as u64,
                modified: Timestamp::UNIX_EPOCH,
            }),
            _ => None,
        };
        Ok(self.objects().iter().filter_map(listed).collect())
    }

    async fn notes(&self) -> Result<Vec<ObjectName>> {
        let is_note = |name: &&ObjectName| matches!(name, ObjectName::Note(_));
        Ok(self.objects().keys().filter(is_note).cloned().collect())
    }

    fn note_of(&self, catalog: &str) -> String {
        catalog.to_owned()
    }
}

#[async_trait]
impl FilePackStore for MemoryPacks {
    fn start_publish(&self, _staged: &mut StagedFile) {}

    async fn publish(&self, staged: Vec<(StagedFile, ObjectName)>) -> Result<()> {
        for (staged, name) in staged {
            self.put_bytes(&name, &read(&staged)?);
        }
        Ok(())
    }

    fn open(&self, name: &ObjectName) -> Result<Option<StoredPack>> {
        let Some(Object { bytes, .. }) = self.object(name) else { return Ok(None) };
        let mut file = tempfile::tempfile().map_err(failed("creating"))?;
        file.write_all(&bytes).map_err(failed("writing"))?;
        Ok(Some(StoredPack { file, path: "memory".into(), bytes: bytes.len() as u64 }))
    }

    async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        let Some(Object { bytes, .. }) = self.object(name) else { return Ok(None) };
        Ok(Some(ranges.iter().map(|range| part(&bytes, range).into()).collect()))
    }

    fn file_of(&self, _name: &ObjectName) -> Option<PathBuf> {
        None
    }
}

#[async_trait]
impl RemotePackStore for MemoryPacks {
    async fn get(
        &self,
        name: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectPart>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let object = self.object(name);
        let is_other = |version: &str| {
            object.as_ref().is_none_or(|object| object.version.to_string() != version)
        };
        if version.is_some_and(is_other) {
            return Err(failed("downloading")(IoError::other("it was written anew")));
        }
        Ok(object.map(|object| {
            let bytes = part(&object.bytes, &range);
            self.bytes_down.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            ObjectPart { bytes, object: object.info() }
        }))
    }

    async fn put(
        &self,
        staged: &StagedFile,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<Option<String>> {
        let bytes = read(staged)?;
        if digest(&SHA256, &bytes).as_ref() != key.digest() {
            return Err(failed("uploading")(IoError::other(format!("its hash is not {key}"))));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes_up.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Some(self.put_bytes(name, &bytes)))
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            write_requests: 0,
            bytes_up: self.bytes_up.load(Ordering::Relaxed),
            bytes_down: self.bytes_down.load(Ordering::Relaxed),
        }
    }
}

/// Staging in a temporary folder, of which no one asks how full its disk is.
#[derive(Debug)]
struct TemporaryStaging {
    staging: StagingFolder,
    _folder: TempDir,
}

impl Staging for TemporaryStaging {
    fn folder(&self) -> &Path {
        self.staging.folder()
    }

    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        self.staging.stage(name)
    }

    fn stage_unnamed(&self) -> Result<StagedFile> {
        self.staging.stage_unnamed()
    }

    fn sweep(&self) -> Result<SweepResult> {
        self.staging.sweep()
    }

    fn free_bytes(&self) -> Result<u64> {
        Ok(u64::MAX)
    }
}

impl Vault {
    /// A vault of packs in memory, which open as files.
    ///
    /// # Errors
    /// When a temporary folder can't be created.
    pub fn in_memory(packs: Arc<MemoryPacks>) -> Result<Vault> {
        Vault::in_memory_staged_in(packs, &std::env::temp_dir())
    }

    /// The same, with the temporary folder in this one.
    ///
    /// # Errors
    /// When a temporary folder can't be created.
    pub fn in_memory_staged_in(packs: Arc<MemoryPacks>, folder: &Path) -> Result<Vault> {
        let folder =
            tempfile::tempdir_in(folder).map_err(failed("creating a temporary folder for"))?;
        let staging = StagingFolder::of(folder.path());
        Ok(Vault::new(packs, Arc::new(TemporaryStaging { staging, _folder: folder })))
    }
}
