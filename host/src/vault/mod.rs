//! The vault port: packs as bytes, under their keys.
//!
//! **Laws**, which every adapter keeps:
//! - A pack is visible under its key whole, proven and durable, or not at all. What is being made lies in staging,
//!   where nobody reads; a crash leaves at most a staged file, which [`Vault::sweep`] removes.
//! - Packs never change. Storing one that is there puts the new, proven bytes in the place of the old.
//! - A directory is a cache: it may be missing at any time.

pub mod local;

use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::names::{MpackKey, RepoId};

/// A file in staging: nobody reads it until it is stored, and dropping it removes it.
#[must_use = "a staged file is removed when it is dropped"]
#[derive(Debug)]
pub struct Staged {
    /// Open for reading and writing, and locked for as long as its maker lives.
    pub file: File,
    path: PathBuf,
    kept: bool,
}

impl Staged {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staged {
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
    /// Where they lie, for messages.
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

/// What lies in a vault besides packs that are on shelves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Staged files that nobody was making any more.
    pub removed: u64,
    /// Those that somebody still makes.
    pub in_use: u64,
}

/// Packs, their directories, and answers to fetches.
#[async_trait]
pub trait Vault: Send + Sync + std::fmt::Debug {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Where a pack is, or would be.
    fn place_of(&self, key: &MpackKey) -> String;

    /// Where a pack can be got.
    fn url_of(&self, key: &MpackKey) -> String;

    /// A new file in staging. `name` must be unused: 16 fresh random bytes.
    ///
    /// # Errors
    /// When the folder can't be written.
    fn stage(&self, name: [u8; 16]) -> Result<Staged>;

    /// Makes a staged file the pack of a key, durably.
    async fn store(&self, staged: Staged, key: &MpackKey) -> Result<()>;

    /// Opens a pack; `None` when it is not there.
    async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>>;

    /// Keeps a pack's directory. `name` as for [`Vault::stage`].
    async fn put_directory(&self, key: &MpackKey, bytes: &[u8], name: [u8; 16]) -> Result<()>;

    /// A pack's directory, unchecked; `None` when there is none.
    async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>>;

    /// Makes a staged file the answer to a fetch of a repo; gives where it can be got.
    async fn store_answer(&self, staged: Staged, repo: &RepoId, key: &MpackKey) -> Result<String>;

    /// Opens an answer; `None` when it is not there.
    async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>>;

    /// Removes an answer, if it is there.
    async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()>;

    /// Removes a pack and its directory, if they are there. Whoever reads it at the moment goes on reading.
    async fn remove(&self, key: &MpackKey) -> Result<()>;

    /// All packs that there are, in no order.
    async fn list(&self) -> Result<Vec<ListedPack>>;

    /// Notes that a catalog has packs here, by where it is. Gives all that have.
    fn register(&self, catalog: &Path) -> Result<Vec<String>>;

    /// Removes what crashes left in staging.
    async fn sweep(&self) -> Result<Swept>;

    /// Bytes that can still be written.
    fn free_bytes(&self) -> Result<u64>;
}
