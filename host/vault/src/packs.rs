//! The ports to stored packs.
//!
//! ```text
//!                PackStore            objects by name: location, size, small writes, listing
//!               /         \
//!   FilePackStore         RemotePackStore
//!   packs open as files   packs are downloaded in parts, and uploaded
//!   (folder, memory)      (S3, memory)
//! ```
//!
//! An adapter implements `PackStore` and one of the other two. No method has a default.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;

use crate::objects::ObjectName;
use crate::staging::StagedFile;

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

/// What an object is, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its size in bytes.
    pub bytes: u64,
    /// Changes whenever it is written (an ETag); none where the store has no versions.
    pub version: Option<String>,
}

/// Some bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The object that they are of.
    pub object: ObjectInfo,
}

/// Requests to a remote store since it was opened.
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

/// Stores packs: objects by name, each visible complete or not at all.
#[async_trait]
pub trait PackStore: Send + Sync + std::fmt::Debug {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Where an object is, or would be, for messages.
    fn place_of(&self, name: &ObjectName) -> String;

    /// A URL of an object, valid for at least `ttl`.
    async fn url_of(&self, name: &ObjectName, ttl: Duration) -> Result<String>;

    /// How long a URL can be valid at most; none: for ever.
    fn longest_url(&self) -> Option<Duration>;

    /// What an object is; `None` when it is not there. Cheap: no byte of it is read.
    async fn info(&self, name: &ObjectName) -> Result<Option<ObjectInfo>>;

    /// Writes an object that may be lost in a crash, and replaces the one before. A pack's directory
    /// is written when the pack is there.
    async fn write(&self, name: &ObjectName, bytes: Bytes) -> Result<()>;

    /// Writes a small object durably, if there is none. If the store can't check that in the same
    /// step, the last of two concurrent writers wins.
    async fn write_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()>;

    /// Removes an object, if it exists. Open readers can go on.
    async fn remove(&self, name: &ObjectName) -> Result<()>;

    /// All packs that there are, in no order.
    async fn list(&self) -> Result<Vec<ListedPack>>;

    /// All notes of catalogs, in no order. Other objects next to them are ignored.
    async fn notes(&self) -> Result<Vec<ObjectName>>;

    /// What the note of a catalog says, by the catalog's identity.
    fn note_of(&self, catalog: &str) -> String;
}

/// A store whose packs open as files.
#[async_trait]
pub trait FilePackStore: PackStore {
    /// Starts beside other work what makes a complete staged file durable, if there is such.
    fn start_publish(&self, staged: &mut StagedFile);

    /// Makes staged files objects, durably. After an error, any of them may be.
    async fn publish(&self, staged: Vec<(StagedFile, ObjectName)>) -> Result<()>;

    /// Opens an object; `None` when it is not there. Waits for the disk: async threads don't call it.
    fn open(&self, name: &ObjectName) -> Result<Option<StoredPack>>;

    /// Bytes of an object, one for each range: fewer where it ends before the range does. `None`
    /// when it is not there. Only those bytes are read.
    async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>>;

    /// Where an object is, or would be, as a file of the local disk that may be linked elsewhere:
    /// packs never change. None where objects are not such files.
    fn file_of(&self, name: &ObjectName) -> Option<PathBuf>;
}

/// A store whose packs are uploaded and downloaded: each call is a request, or a few.
#[async_trait]
pub trait RemotePackStore: PackStore {
    /// Bytes of an object: fewer if it ends before the range does. `None` if the object does not
    /// exist. With a `version`, a missing object or another version is an error.
    async fn get(
        &self,
        name: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectPart>>;

    /// Uploads a staged file, whose hash must match the key while it is read; gives its version.
    /// The object is visible when it is whole, or not at all.
    async fn put(
        &self,
        staged: &StagedFile,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<Option<String>>;

    /// Requests since it was opened.
    fn traffic(&self) -> Traffic;
}
