//! Pack stores and staging folders that fail.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use packhouse_host::vault::objects::ObjectName;
use packhouse_host::vault::{
    FilePackStore, ListedPack, ObjectInfo, ObjectPart, PackStore, RemotePackStore, StagedFile,
    Staging, StagingFolder, StoredPack, SweepResult, Traffic,
};
use packhouse_host::{MpackKey, Result};
use tokio::runtime::Handle;

use super::Fault;

/// A pack store of either kind, with a fault.
#[derive(Debug)]
pub(super) struct FaultyPacks<P> {
    pub(super) inner: P,
    pub(super) fault: Fault,
}

#[async_trait]
impl<P: PackStore> PackStore for FaultyPacks<P> {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn place_of(&self, name: &ObjectName) -> String {
        self.inner.place_of(name)
    }
    async fn url_of(&self, name: &ObjectName, ttl: Duration) -> Result<String> {
        self.inner.url_of(name, ttl).await
    }
    fn longest_url(&self) -> Option<Duration> {
        self.inner.longest_url()
    }
    async fn info(&self, name: &ObjectName) -> Result<Option<ObjectInfo>> {
        self.fault.around(self.inner.info(name)).await
    }
    async fn write(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.fault.around(self.inner.write(name, bytes)).await
    }
    async fn write_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        match name {
            ObjectName::Note(_) => self.inner.write_new(name, bytes).await,
            _ => self.fault.around(self.inner.write_new(name, bytes)).await,
        }
    }
    async fn remove(&self, name: &ObjectName) -> Result<()> {
        self.fault.around(self.inner.remove(name)).await
    }
    async fn list(&self) -> Result<Vec<ListedPack>> {
        self.fault.around(self.inner.list()).await
    }
    async fn notes(&self) -> Result<Vec<ObjectName>> {
        self.inner.notes().await
    }
    fn note_of(&self, catalog: &str) -> String {
        self.inner.note_of(catalog)
    }
}

/// Whether reads of an object can fail: a store opens without a fault.
fn may_fail(name: &ObjectName) -> bool {
    !matches!(name, ObjectName::Note(_) | ObjectName::Identity)
}

#[async_trait]
impl<P: FilePackStore> FilePackStore for FaultyPacks<P> {
    fn start_publish(&self, staged: &mut StagedFile) {
        self.inner.start_publish(staged);
    }
    async fn publish(&self, staged: Vec<(StagedFile, ObjectName)>) -> Result<()> {
        // One by one: each may be the last before a crash.
        for one in staged {
            self.fault.around(self.inner.publish(vec![one])).await?;
        }
        Ok(())
    }
    fn open(&self, name: &ObjectName) -> Result<Option<StoredPack>> {
        match may_fail(name) {
            true => Handle::current().block_on(self.fault.around(async { self.inner.open(name) })),
            false => self.inner.open(name),
        }
    }
    async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        self.fault.around(self.inner.read_ranges(name, ranges)).await
    }
    fn file_of(&self, name: &ObjectName) -> Option<PathBuf> {
        self.inner.file_of(name)
    }
}

#[async_trait]
impl<P: RemotePackStore> RemotePackStore for FaultyPacks<P> {
    async fn get(
        &self,
        name: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectPart>> {
        match may_fail(name) {
            true => self.fault.around(self.inner.get(name, range, version)).await,
            false => self.inner.get(name, range, version).await,
        }
    }
    async fn put(
        &self,
        staged: &StagedFile,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<Option<String>> {
        self.fault.around(self.inner.put(staged, name, key)).await
    }
    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}

#[derive(Debug)]
pub(super) struct FaultyStaging {
    pub(super) inner: StagingFolder,
    pub(super) fault: Fault,
}

impl Staging for FaultyStaging {
    fn folder(&self) -> &Path {
        self.inner.folder()
    }
    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        if self.fault.fails() { Err(Fault::error()) } else { self.inner.stage(name) }
    }
    fn stage_unnamed(&self) -> Result<StagedFile> {
        if self.fault.fails() { Err(Fault::error()) } else { self.inner.stage_unnamed() }
    }
    fn sweep(&self) -> Result<SweepResult> {
        self.inner.sweep()
    }
    fn free_bytes(&self) -> Result<u64> {
        if self.fault.fails() {
            Err(Fault::error())
        } else {
            Ok(self.inner.free_bytes()?.min(self.fault.room))
        }
    }
}
