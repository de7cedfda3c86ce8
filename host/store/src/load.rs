//! Prepares a repo's packs for a run: finds them, and loads their directories.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_catalog::{PackRow, Shelf};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::files::key_of;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::Directory;
use packhouse_pack::scan::{BadPack, ScanError, ScannedPack, Source, scan};
use packhouse_run::{PackReader, RunPack};
use packhouse_vault::StoredPack;
use ring::digest::{Context, SHA256};
use tokio::runtime::Handle;

use super::{Store, TRIES};

/// Directories that are got at once.
const DIRECTORIES: usize = 16;

/// The packs on shelves, each once: those with more records first, equal ones by key.
///
/// A record that is in several packs is copied from the first: from the large one, in long runs.
pub(super) fn distinct_packs(shelves: &[Shelf]) -> Vec<PackRow> {
    let by_id: BTreeMap<i64, &PackRow> = shelves.iter().map(|s| (s.pack.id, &s.pack)).collect();
    let mut packs: Vec<PackRow> = by_id.into_values().cloned().collect();
    packs.sort_by(|a, b| b.records.cmp(&a.records).then(a.key.cmp(&b.key)));
    packs
}

/// What a pack's bytes are, all of them read and every object hashed.
#[derive(Debug)]
pub(super) struct ExaminedPack {
    /// SHA-256 of the bytes.
    pub key: MpackKey,
    /// How many there are.
    pub bytes: u64,
    /// Its records, or what is wrong with them.
    pub scanned: Result<ScannedPack, BadPack>,
}

impl ExaminedPack {
    /// The records of a well-formed pack whose bytes match `key`; else what is wrong with it.
    pub(super) fn sound(self, key: &MpackKey) -> Result<ScannedPack, String> {
        match self.scanned {
            Ok(scanned) if self.key == *key => Ok(scanned),
            Ok(_) => Err(format!("hash mismatch: its SHA-256 is {}", self.key)),
            Err(bad) => Err(bad.to_string()),
        }
    }
}

/// A source that hashes what goes by. A scan reads each byte once, in order.
struct Hashing<S> {
    source: S,
    sum: Context,
    bytes: u64,
}

impl<S: Source> Source for &mut Hashing<S> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(offset, buf)?;
        self.sum.update(&buf[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

/// The key of a stored pack's bytes as they are now.
pub(super) fn hash(pack: &StoredPack) -> Result<MpackKey> {
    key_of(&pack.file).map_err(Error::io("reading", &pack.path))
}

/// Reads a stored pack whole.
pub(super) fn examine(
    pack: &StoredPack,
    mut tick: impl FnMut(u64) -> Result<()>,
) -> Result<ExaminedPack> {
    let mut source = Hashing { source: &pack.file, sum: Context::new(&SHA256), bytes: 0 };
    let mut stopped = None;
    let scanned = scan(&mut source, |bytes| {
        tick(bytes).map_err(|error| {
            stopped = Some(error);
            io::Error::other("stopped")
        })
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    let scanned = match scanned {
        Ok(scanned) => Ok(scanned),
        Err(ScanError::Bad(bad)) => Err(bad),
        Err(ScanError::Io(e)) => return Err(Error::io("reading", &pack.path)(e)),
    };
    // What a scan that ended early left unread belongs to the key as well.
    let mut rest = vec![0; 1 << 20];
    loop {
        let at = source.bytes;
        match (&mut source).read_at(at, &mut rest).map_err(Error::io("reading", &pack.path))? {
            0 => break,
            _ => tick(source.bytes)?,
        }
    }
    let mut key = [0; 32];
    key.copy_from_slice(source.sum.finish().as_ref());
    Ok(ExaminedPack { key: MpackKey::new(key), bytes: source.bytes, scanned })
}

impl Store {
    pub(super) async fn open_pack(&self, repo: &RepoName, key: &MpackKey) -> Result<StoredPack> {
        self.vault.open(key).await?.ok_or_else(|| self.missing(repo, key))
    }

    /// Opens a pack for its bytes alone: a copy of it will do.
    pub(super) async fn open_cached(&self, repo: &RepoName, key: &MpackKey) -> Result<StoredPack> {
        self.vault.open_cached(key).await?.ok_or_else(|| self.missing(repo, key))
    }

    pub(super) fn missing(&self, repo: &RepoName, key: &MpackKey) -> Error {
        Error::Damage(DamageError::MissingPack {
            key: *key,
            repo: repo.clone(),
            place: self.vault.place_of(key),
        })
    }

    /// Whether a missing pack was deleted because it is not used any more: then the plan is old,
    /// and is made again. The same holds for a damaged pack that was read from a copy: the pack
    /// itself may be intact.
    pub(super) async fn is_stale(&self, repo: i64, error: &Error) -> Result<bool> {
        if let Error::Damage(DamageError::DamagedPack { key, .. }) = error {
            let copied = self.vault.forget_damaged_copy(key).await?;
            if copied {
                tracing::warn!("a damaged copy of pack {key} was dropped: {error}");
            }
            return Ok(copied);
        }
        let Error::Damage(DamageError::MissingPack { key, .. }) = error else { return Ok(false) };
        let shelves = self.catalog.snapshot(repo).await?.shelves().await?;
        Ok(!shelves.iter().any(|shelf| shelf.pack.key == *key))
    }

    /// Tries until what was tried is not overtaken by a consolidation and a deletion.
    pub(super) async fn until_current<'a, T>(
        &self,
        repo: i64,
        attempt: impl Fn() -> Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>> + Send,
    ) -> Result<T> {
        for tries in 1.. {
            match attempt().await {
                Err(error) if tries < TRIES && self.is_stale(repo, &error).await? => {}
                done => return done,
            }
        }
        unreachable!("the loop ends by returning")
    }

    pub(super) fn damaged(&self, repo: &RepoName, key: &MpackKey, detail: String) -> Error {
        Error::Damage(DamageError::DamagedPack {
            key: *key,
            repo: repo.clone(),
            place: self.vault.place_of(key),
            detail,
        })
    }

    /// The directories of packs, in their order. Those that are missing or damaged are rebuilt from
    /// the packs, whose bytes must then match their keys.
    pub(super) async fn directories(
        &self,
        repo: &RepoName,
        packs: &[PackRow],
    ) -> Result<Vec<RunPack>> {
        let found: Vec<_> = packs.iter().map(|pack| self.directory(repo, pack)).collect();
        stream::iter(found).buffered(DIRECTORIES).map_ok(RunPack::stored).try_collect().await
    }

    async fn directory(&self, repo: &RepoName, pack: &PackRow) -> Result<Directory> {
        let file = self.vault.directory(&pack.key).await?.unwrap_or_default();
        let is_current = Directory::is_current(&file);
        match Directory::read(pack.key, file) {
            // The catalog counted the records when they were proven: a directory with others is not
            // this pack's.
            Some(directory)
                if directory.len() == pack.records && directory.pack_bytes == pack.bytes =>
            {
                if !is_current {
                    self.keep_directory(&directory).await;
                }
                Ok(directory)
            }
            _ => self.rebuild_directory(repo, pack).await,
        }
    }

    /// Stores a directory beside its pack. It is a cache: without it the next run rebuilds it.
    pub(super) async fn keep_directory(&self, directory: &Directory) {
        if let Err(error) = self.put_directory(directory).await {
            tracing::warn!("the directory of pack {} could not be cached: {error}", directory.key);
        }
    }

    /// The same, for a caller who needs to know whether it was stored.
    pub(super) async fn put_directory(&self, directory: &Directory) -> Result<()> {
        let directory = directory.clone();
        let key = directory.key;
        let file = super::blocking(move || Ok(directory.to_file())).await?;
        self.vault.put_directory(&key, &file).await
    }

    async fn rebuild_directory(&self, repo: &RepoName, pack: &PackRow) -> Result<Directory> {
        tracing::info!("rebuilding the directory of pack {}", pack.key);
        let stored = self.open_pack(repo, &pack.key).await?;
        let examined = super::blocking(move || examine(&stored, |_| Ok(()))).await?;
        let bytes = examined.bytes;
        let scanned =
            examined.sound(&pack.key).map_err(|detail| self.damaged(repo, &pack.key, detail))?;
        let directory = Directory::new(pack.key, bytes, &scanned.rows);
        self.keep_directory(&directory).await;
        Ok(directory)
    }

    /// Packs ready to be read by a run.
    pub(super) fn run_packs(&self, repo: &RepoName, packs: Arc<Vec<RunPack>>) -> PackReader {
        PackReader::new(repo.clone(), self.vault.clone(), Handle::current(), packs)
    }
}
