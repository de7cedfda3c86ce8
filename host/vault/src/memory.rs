//! The vault in memory: for tests, demos and embedding. It is lost when the process ends.
//!
//! It is the port's laws in the shortest form. Only what the port says is a file is one, in a
//! temporary folder: staged packs, and copies of packs while they are open.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId};
use tempfile::TempDir;

use crate::{ListedPack, StagedFile, StoredPack, SweepResult, Vault};

type Map<K> = Mutex<BTreeMap<K, Arc<Vec<u8>>>>;

/// Packs in memory. It is empty at first, and each one is a vault of its own.
#[derive(Debug)]
pub struct MemoryVault {
    folder: TempDir,
    packs: Map<MpackKey>,
    directories: Map<MpackKey>,
    answers: Map<(String, MpackKey)>,
    catalogs: Mutex<Vec<String>>,
    identity: Mutex<Option<[u8; 32]>>,
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io { doing, path: "memory".into(), source }
}

/// A map is whole between any two statements, whatever panicked meanwhile.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn get<K: Ord>(map: &Map<K>, key: &K) -> Option<Arc<Vec<u8>>> {
    locked(map).get(key).cloned()
}

/// Reads a staged file whole.
fn read(staged: &StagedFile) -> Result<Arc<Vec<u8>>> {
    let read = || {
        let mut bytes = vec![0; staged.file.metadata()?.len() as usize];
        staged.file.read_exact_at(&mut bytes, 0)?;
        Ok(Arc::new(bytes))
    };
    read().map_err(failed("reading"))
}

fn opened(bytes: Option<Arc<Vec<u8>>>) -> Result<Option<StoredPack>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let mut file = tempfile::tempfile().map_err(failed("creating"))?;
    file.write_all(&bytes).map_err(failed("writing"))?;
    Ok(Some(StoredPack { file, path: "memory".into(), bytes: bytes.len() as u64 }))
}

impl MemoryVault {
    /// An empty vault. Staged packs are in a temporary folder.
    ///
    /// # Errors
    /// When the folder can't be created.
    pub fn new() -> Result<MemoryVault> {
        MemoryVault::in_folder(&std::env::temp_dir())
    }

    /// An empty vault whose temporary folder is in this one.
    ///
    /// # Errors
    /// When the folder can't be created.
    pub fn in_folder(folder: &Path) -> Result<MemoryVault> {
        let folder = tempfile::tempdir_in(folder).map_err(failed("creating"))?;
        Ok(MemoryVault {
            folder,
            packs: Map::default(),
            directories: Map::default(),
            answers: Map::default(),
            catalogs: Mutex::default(),
            identity: Mutex::default(),
        })
    }

    /// The bytes that a URL of this vault leads to.
    pub fn follow(&self, url: &str) -> Option<Vec<u8>> {
        let key = |text: &str| text.parse::<MpackKey>().ok();
        let found = match url.strip_prefix("memory:")?.rsplit_once('/') {
            Some((repo, pack)) => get(&self.answers, &(repo.to_owned(), key(pack)?)),
            None => get(&self.packs, &key(url.strip_prefix("memory:")?)?),
        };
        found.map(|bytes| bytes.to_vec())
    }
}

#[async_trait]
impl Vault for MemoryVault {
    fn place(&self) -> String {
        "memory".into()
    }
    fn place_of(&self, key: &MpackKey) -> String {
        format!("memory:{key}")
    }
    async fn url_of(&self, key: &MpackKey, _ttl: Duration) -> Result<String> {
        Ok(self.place_of(key))
    }
    fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        let path = self.folder.path().join(hex::encode(name));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(failed("creating"))?;
        file.lock().map_err(failed("locking"))?;
        Ok(StagedFile::new(file, path))
    }
    async fn store(&self, staged: StagedFile, key: &MpackKey) -> Result<()> {
        locked(&self.packs).insert(*key, read(&staged)?);
        Ok(())
    }
    async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        opened(get(&self.packs, key))
    }
    async fn put_directory(&self, key: &MpackKey, bytes: &[u8], _name: [u8; 16]) -> Result<()> {
        locked(&self.directories).insert(*key, Arc::new(bytes.to_vec()));
        Ok(())
    }
    async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>> {
        Ok(get(&self.directories, key).map(|bytes| bytes.to_vec()))
    }
    async fn store_answer(
        &self,
        staged: StagedFile,
        repo: &RepoId,
        key: &MpackKey,
        _ttl: Duration,
    ) -> Result<String> {
        locked(&self.answers).insert((repo.0.clone(), *key), read(&staged)?);
        Ok(format!("memory:{}/{key}", repo.0))
    }
    async fn url_of_answer(&self, repo: &RepoId, key: &MpackKey, _ttl: Duration) -> Result<String> {
        Ok(format!("memory:{}/{key}", repo.0))
    }
    async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>> {
        opened(get(&self.answers, &(repo.0.clone(), *key)))
    }
    async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()> {
        locked(&self.answers).remove(&(repo.0.clone(), *key));
        Ok(())
    }
    async fn remove(&self, key: &MpackKey) -> Result<()> {
        locked(&self.directories).remove(key);
        locked(&self.packs).remove(key);
        Ok(())
    }
    async fn list(&self) -> Result<Vec<ListedPack>> {
        let packs = locked(&self.packs);
        let listed = |(key, bytes): (&MpackKey, &Arc<Vec<u8>>)| ListedPack {
            key: *key,
            bytes: bytes.len() as u64,
            modified: Timestamp::UNIX_EPOCH,
        };
        Ok(packs.iter().map(listed).collect())
    }
    async fn register(&self, catalog: &str) -> Result<Vec<String>> {
        let all = self.catalogs(catalog).await?;
        locked(&self.catalogs).clone_from(&all);
        Ok(all)
    }
    async fn catalogs(&self, catalog: &str) -> Result<Vec<String>> {
        let noted = locked(&self.catalogs).clone();
        Ok(std::iter::once(catalog.to_owned())
            .chain(noted.into_iter().filter(|known| known != catalog))
            .collect())
    }
    async fn identity(&self) -> Result<Option<[u8; 32]>> {
        Ok(*locked(&self.identity))
    }
    async fn identify(&self, fresh: [u8; 32]) -> Result<[u8; 32]> {
        Ok(*locked(&self.identity).get_or_insert(fresh))
    }
    async fn sweep(&self) -> Result<SweepResult> {
        let mut swept = SweepResult::default();
        for entry in std::fs::read_dir(self.folder.path()).map_err(failed("listing"))? {
            let path = entry.map_err(failed("listing"))?.path();
            match File::open(&path).map_err(failed("opening"))?.try_lock() {
                Ok(()) => {
                    std::fs::remove_file(&path).map_err(failed("removing"))?;
                    swept.removed += 1;
                }
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => swept.in_use += 1,
            }
        }
        Ok(swept)
    }
    fn free_bytes(&self) -> Result<u64> {
        Ok(u64::MAX)
    }
}
