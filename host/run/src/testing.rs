//! Packs in memory, for tests.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_catalog::PackRow;
use packhouse_model::digest::sha256;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::Directory;
use packhouse_pack::scan::scan;
use packhouse_sample::{HistoryOptions, history};
use packhouse_vault::Vault;
use packhouse_vault::memory::MemoryPacks;
use packhouse_vault::objects::ObjectName;

use crate::directories::Directories;

/// Packs in memory, and a vault of them.
pub(crate) struct Packs {
    pub(crate) memory: Arc<MemoryPacks>,
    pub(crate) vault: Vault,
}

impl Packs {
    /// Packs that open as files.
    pub(crate) fn local() -> Packs {
        let memory = Arc::<MemoryPacks>::default();
        let vault = Vault::in_memory(memory.clone()).unwrap();
        Packs { memory, vault }
    }

    /// Packs that are downloaded in parts.
    pub(crate) fn remote() -> Packs {
        let local = Packs::local();
        let staging = Arc::new(packhouse_vault::StagingFolder::of(&local.vault.folder()));
        Packs { vault: Vault::cached(local.memory.clone(), staging, 0), memory: local.memory }
    }

    pub(crate) fn repo() -> RepoName {
        "a/b".parse().unwrap()
    }

    pub(crate) fn directories(&self) -> Directories {
        Directories::new(Packs::repo(), self.vault.clone())
    }

    /// Stores a pack and its directory.
    pub(crate) fn add(&self, bytes: &[u8]) -> (PackRow, Directory) {
        let key = MpackKey::new(sha256(bytes));
        let scanned = scan(bytes, |_| Ok(())).unwrap();
        let directory = Directory::of(key, bytes.len() as u64, &scanned);
        self.memory.put_bytes(&ObjectName::Pack(key), bytes);
        self.memory.put_bytes(&ObjectName::Directory(key), &directory.to_file());
        let row = PackRow {
            id: 1,
            key,
            bytes: bytes.len() as u64,
            records: directory.len(),
            consolidated: false,
            stored_at: Timestamp::UNIX_EPOCH,
            verified_at: None,
        };
        (row, directory)
    }

    /// Flips a bit of a stored object.
    pub(crate) fn flip(&self, name: &ObjectName, at: usize) {
        let mut bytes = self.memory.bytes(name).unwrap();
        bytes[at] ^= 1 << (at % 8);
        self.memory.put_bytes(name, &bytes);
    }
}

/// A pack of so many objects of some bytes, with commits, snapshots and tags.
pub(crate) fn pack_of(objects: usize, bytes: std::ops::Range<usize>) -> Vec<u8> {
    let options = HistoryOptions {
        pushes: 1,
        commits_per_push: 2,
        objects_per_commit: objects / 2,
        object_bytes: bytes,
        ..HistoryOptions::default()
    };
    history(&options).remove(0)
}
