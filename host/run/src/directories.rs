//! Directories of a repo's packs, read whole: from storage, or rebuilt from their packs.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use packhouse_catalog::PackRow;
use packhouse_model::blocking::blocking;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_pack::directory::{DirectoryHead, DirectoryRead};
use packhouse_pack::{Directory, examine};
use packhouse_vault::Vault;
use tokio::runtime::Handle;

use crate::damage::{damaged_pack, missing_pack};
use crate::heads::DirectoryHeads;

/// Small files that a thread reads, one after the other.
pub(crate) const BATCH: usize = 32;
/// Threads that read them at once.
pub(crate) const BATCHES: usize = 16;
/// Rows of a directory whose file is made in less time than it takes to start a thread.
const MADE_AT_ONCE: u64 = 256;

/// Stores a directory beside its pack. It is a cache: without it the next run rebuilds it.
pub async fn keep_directory(vault: &Vault, directory: Directory) {
    let key = directory.key;
    if let Err(error) = put_directory(vault, directory).await {
        tracing::warn!("the directory of pack {key} could not be cached: {error}");
    }
}

/// The same, for a caller who needs to know whether it was stored.
///
/// # Errors
/// When it can't be written.
pub async fn put_directory(vault: &Vault, directory: Directory) -> Result<()> {
    let key = directory.key;
    let file = match directory.len() {
        0..=MADE_AT_ONCE => directory.into_file(),
        _ => blocking(move || Ok(directory.into_file())).await?,
    };
    vault.put_directory(&key, file).await
}

/// Directories of a repo's packs.
#[derive(Clone, Debug)]
pub struct Directories {
    repo: RepoName,
    pub(crate) vault: Vault,
}

impl Directories {
    /// Directories of packs of a repo. The repo is for messages.
    pub fn new(repo: RepoName, vault: Vault) -> Directories {
        Directories { repo, vault }
    }

    /// The repo.
    pub fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// The directory of a pack. One that is missing or damaged is rebuilt from the pack.
    ///
    /// # Errors
    /// As for [`Directories::rebuild`].
    pub async fn whole(&self, pack: &PackRow) -> Result<Directory> {
        let found = self.stored(pack).await?;
        self.or_rebuilt(pack, found).await
    }

    /// The stored directory of a pack; `None` if it is missing or damaged. One of version 1 is
    /// written again as version 2.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn stored(&self, pack: &PackRow) -> Result<Option<Directory>> {
        let mut found = self.read(std::slice::from_ref(pack)).await?;
        Ok(found.pop().flatten())
    }

    /// The directories of packs, in their order; those that are missing or damaged are rebuilt from
    /// the packs.
    ///
    /// # Errors
    /// As for [`Directories::rebuild`].
    pub async fn all(&self, packs: &[PackRow]) -> Result<Vec<Directory>> {
        // A request takes longer than to switch threads for it; a small file does not.
        let batch = if self.vault.is_remote() { 1 } else { BATCH };
        let batches: Vec<_> = packs.chunks(batch).map(|packs| self.whole_batch(packs)).collect();
        stream::iter(batches).buffered(BATCHES).try_concat().await
    }

    async fn whole_batch(&self, packs: &[PackRow]) -> Result<Vec<Directory>> {
        let found = self.read(packs).await?;
        let each: Vec<_> =
            packs.iter().zip(found).map(|(pack, found)| self.or_rebuilt(pack, found)).collect();
        stream::iter(each).buffered(BATCHES).try_collect().await
    }

    async fn or_rebuilt(&self, pack: &PackRow, found: Option<Directory>) -> Result<Directory> {
        match found {
            Some(directory) => Ok(directory),
            None => self.rebuild(pack).await,
        }
    }

    /// The stored directories of packs, read by one thread; `None` for those that are missing or
    /// damaged. Those of version 1 are written again as version 2.
    async fn read(&self, packs: &[PackRow]) -> Result<Vec<Option<Directory>>> {
        let (vault, wanted, runtime) = (self.vault.clone(), packs.to_vec(), Handle::current());
        let read = move |pack: &PackRow| {
            let Some(file) = vault.directory_here(&pack.key, &runtime)? else { return Ok(None) };
            let is_current = Directory::is_current(&file);
            let found = Directory::read(pack.key, file);
            // The catalog counted the records when they were proven: a directory with others is not
            // this pack's.
            let is_its_own =
                |found: &Directory| (found.len(), found.pack_bytes) == (pack.records, pack.bytes);
            Ok(found.filter(is_its_own).map(|found| (found, is_current)))
        };
        let found: Vec<_> =
            blocking(move || wanted.iter().map(read).collect::<Result<_>>()).await?;
        let mut directories = Vec::with_capacity(found.len());
        for found in found {
            if let Some((directory, false)) = &found {
                keep_directory(&self.vault, directory.clone()).await;
            }
            directories.push(found.map(|(directory, _)| directory));
        }
        Ok(directories)
    }

    /// The head of the directory of a pack; `None` if there is no valid one of the current version.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) async fn head(
        &self,
        heads: &DirectoryHeads,
        pack: &PackRow,
    ) -> Result<Option<Arc<DirectoryHead>>> {
        if let Some(head) = heads.get(&pack.key) {
            return Ok(Some(head));
        }
        let range = DirectoryHead::range(pack.records);
        let file = DirectoryFile { vault: &self.vault, pack };
        let read = file.read(std::slice::from_ref(&range)).await?;
        let head = read.and_then(|mut read| DirectoryHead::of(pack.key, read.pop()?));
        // As for whole directories: one with other records is not this pack's.
        let is_its_own =
            |head: &DirectoryHead| (head.rows, head.pack_bytes) == (pack.records, pack.bytes);
        let head = head.filter(is_its_own).map(Arc::new);
        if let Some(head) = &head {
            heads.put(pack.key, head.clone());
        }
        Ok(head)
    }

    /// Reads a pack, whose bytes must match its key, and stores its directory.
    ///
    /// # Errors
    /// When the pack is missing, damaged, or can't be read.
    pub async fn rebuild(&self, pack: &PackRow) -> Result<Directory> {
        let (vault, repo, key) = (&self.vault, &self.repo, pack.key);
        tracing::info!("rebuilding the directory of pack {key}");
        let stored = vault.open(&key).await?.ok_or_else(|| missing_pack(vault, repo, &key))?;
        let examined = blocking(move || examine(&stored.file, &stored.path, |_| Ok(()))).await?;
        let bytes = examined.bytes;
        let scanned =
            examined.sound(&key).map_err(|detail| damaged_pack(vault, repo, &key, detail))?;
        let directory = Directory::of(key, bytes, &scanned);
        keep_directory(vault, directory.clone()).await;
        Ok(directory)
    }
}

/// The directory file of a pack.
pub(crate) struct DirectoryFile<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) pack: &'a PackRow,
}

impl DirectoryRead for DirectoryFile<'_> {
    async fn read(&self, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        match self.vault.read_directory(&self.pack.key, ranges).await {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => Ok(None),
            read => read,
        }
    }
}
