//! The vault: what the verbs use of a pack store, of staging, and of the cache.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use packhouse_model::blocking::blocking;
use packhouse_model::error::{Error, Result};
use packhouse_model::files::key_of;
use packhouse_model::names::{MpackKey, RepoId};
use packhouse_model::report::DiskSpace;
use tokio::runtime::Handle;

use crate::cache::CachedPacks;
use crate::local::LocalPacks;
use crate::objects::ObjectName;
use crate::packs::{FilePackStore, ListedPack, PackStore, RemotePackStore, StoredPack, Traffic};
use crate::staging::{StagedFile, Staging, StagingFolder, SweepResult};

/// Packs that are uploaded at once.
const UPLOADS: usize = 8;

/// Packs, their directories, and answers to fetches. Cheap to clone; all clones are one vault.
#[derive(Clone, Debug)]
pub struct Vault {
    staging: Arc<dyn Staging>,
    pub(crate) packs: Packs,
}

/// How the bytes of packs are reached.
#[derive(Clone, Debug)]
pub(crate) enum Packs {
    Files(Arc<dyn FilePackStore>),
    Cached(Arc<CachedPacks>),
}

impl Vault {
    /// A vault of packs that open as files.
    pub fn new(packs: Arc<dyn FilePackStore>, staging: Arc<dyn Staging>) -> Vault {
        Vault { staging, packs: Packs::Files(packs) }
    }

    /// A vault of remote packs. Its cache is next to staging, and holds `budget` bytes at most.
    pub fn cached(
        packs: Arc<dyn RemotePackStore>,
        staging: Arc<dyn Staging>,
        budget: u64,
    ) -> Vault {
        let cached = CachedPacks::new(packs, staging.clone(), budget);
        Vault { staging, packs: Packs::Cached(Arc::new(cached)) }
    }

    /// A vault in an existing folder. Subfolders are created with the first file.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn local(folder: &Path) -> Result<Vault> {
        let packs = LocalPacks::open(folder)?;
        let staging = StagingFolder::of(packs.root());
        Ok(Vault::new(Arc::new(packs), Arc::new(staging)))
    }

    /// The pack store, local or remote.
    pub(crate) fn objects(&self) -> &dyn PackStore {
        match &self.packs {
            Packs::Files(packs) => packs.as_ref(),
            Packs::Cached(cached) => cached.packs(),
        }
    }
}

/// Where it is.
impl Vault {
    /// Where it is, for messages.
    pub fn place(&self) -> String {
        self.objects().place()
    }

    /// Where a pack is, or would be.
    pub fn place_of(&self, key: &MpackKey) -> String {
        self.objects().place_of(&ObjectName::Pack(*key))
    }

    /// Where a pack can be got, for at least as long as `ttl`.
    ///
    /// # Errors
    /// When there are no credentials to sign a URL.
    pub async fn url_of(&self, key: &MpackKey, ttl: Duration) -> Result<String> {
        self.objects().url_of(&ObjectName::Pack(*key), ttl).await
    }

    /// The longest that a URL can be good; none: for ever.
    pub fn longest_url(&self) -> Option<Duration> {
        self.objects().longest_url()
    }

    /// Where a pack is, or would be, as a file of the local disk that may be linked elsewhere:
    /// packs never change. None where packs are not such files.
    pub fn file_of(&self, key: &MpackKey) -> Option<PathBuf> {
        match &self.packs {
            Packs::Files(packs) => packs.file_of(&ObjectName::Pack(*key)),
            Packs::Cached(_) => None,
        }
    }

    /// Whether packs are downloaded before they are read: then it pays to prefetch them, or parts
    /// of them.
    pub fn is_remote(&self) -> bool {
        matches!(self.packs, Packs::Cached(_))
    }

    /// Requests to the remote store, since the vault was opened.
    pub fn traffic(&self) -> Traffic {
        match &self.packs {
            Packs::Files(_) => Traffic::default(),
            Packs::Cached(cached) => cached.packs().traffic(),
        }
    }
}

/// Writing.
impl Vault {
    /// The folder on the local disk that is written to.
    pub fn folder(&self) -> PathBuf {
        self.staging.folder().to_owned()
    }

    /// Bytes that can still be written to [`Vault::folder`].
    ///
    /// # Errors
    /// When the folder can't be accessed.
    pub fn free_bytes(&self) -> Result<u64> {
        self.staging.free_bytes()
    }

    /// The space of the disk of [`Vault::folder`]; none if it is not a disk's.
    ///
    /// # Errors
    /// When the folder can't be accessed.
    pub fn disk(&self) -> Result<Option<DiskSpace>> {
        self.staging.disk()
    }

    /// A new file in staging. `name` must be unused: 16 fresh random bytes.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        self.staging.stage(name)
    }

    /// Removes what crashes left in staging, and nothing that is not of this vault's making.
    ///
    /// # Errors
    /// When the folder can't be listed, or a file can't be removed.
    pub fn sweep(&self) -> Result<SweepResult> {
        self.staging.sweep()
    }

    /// Makes a staged file the pack of a key, durably.
    ///
    /// # Errors
    /// When it can't be written; where packs are remote, also when it is not the pack of the key.
    pub async fn store(&self, staged: StagedFile, key: &MpackKey) -> Result<()> {
        self.store_all(vec![(staged, *key)]).await
    }

    /// The same, for several: they share what makes them durable.
    ///
    /// # Errors
    /// As for [`Vault::store`]. Any of them may be stored then.
    pub async fn store_all(&self, staged: Vec<(StagedFile, MpackKey)>) -> Result<()> {
        let named = |(staged, key)| (staged, ObjectName::Pack(key), key);
        self.publish(staged.into_iter().map(named).collect()).await
    }

    async fn publish(&self, staged: Vec<(StagedFile, ObjectName, MpackKey)>) -> Result<()> {
        match &self.packs {
            Packs::Files(packs) => {
                let named = staged.into_iter().map(|(staged, name, _)| (staged, name));
                packs.publish(named.collect()).await
            }
            Packs::Cached(cached) => {
                let uploads = staged
                    .into_iter()
                    .map(async |(staged, name, key)| cached.store(staged, &name, &key).await);
                stream::iter(uploads).buffer_unordered(UPLOADS).try_collect().await
            }
        }
    }

    /// Starts beside other work what storing a complete staged file will wait for.
    pub fn start_store(&self, staged: &mut StagedFile) {
        if let Packs::Files(packs) = &self.packs {
            packs.start_publish(staged);
        }
    }

    /// Keeps a stored pack's directory.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put_directory(&self, key: &MpackKey, bytes: impl Into<Bytes>) -> Result<()> {
        self.objects().write(&ObjectName::Directory(*key), bytes.into()).await
    }

    /// Makes a staged file the answer to a fetch of a repo; gives where it can be got, for at least
    /// as long as `ttl`.
    ///
    /// # Errors
    /// As for [`Vault::store`].
    pub async fn store_answer(
        &self,
        staged: StagedFile,
        repo: &RepoId,
        key: &MpackKey,
        ttl: Duration,
    ) -> Result<String> {
        self.publish(vec![(staged, answer(repo, key), *key)]).await?;
        self.url_of_answer(repo, key, ttl).await
    }

    /// Removes a pack and its directory, if they exist. Open readers can go on.
    ///
    /// # Errors
    /// When one can't be removed.
    pub async fn remove(&self, key: &MpackKey) -> Result<()> {
        // The directory first: a pack without one is whole, one without a pack is nothing.
        self.objects().remove(&ObjectName::Directory(*key)).await?;
        self.objects().remove(&ObjectName::Pack(*key)).await?;
        self.forget_copy(key).map(|_| ())
    }

    /// Removes an answer, if it exists.
    ///
    /// # Errors
    /// When it can't be removed.
    pub async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()> {
        self.objects().remove(&answer(repo, key)).await
    }
}

/// Reading.
impl Vault {
    /// Opens a pack; `None` when it is not there.
    ///
    /// # Errors
    /// When it can't be opened or downloaded.
    pub async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.open_object(&ObjectName::Pack(*key), key).await
    }

    async fn open_object(&self, name: &ObjectName, key: &MpackKey) -> Result<Option<StoredPack>> {
        match &self.packs {
            Packs::Files(packs) => open_file(packs, name.clone()).await,
            Packs::Cached(cached) => cached.open(name, key).await,
        }
    }

    /// Opens a pack for a run: a copy will do, whether the pack itself is still there or not.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub async fn open_cached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        match &self.packs {
            Packs::Files(packs) => open_file(packs, ObjectName::Pack(*key)).await,
            Packs::Cached(cached) => cached.open_cached(key).await,
        }
    }

    /// The same on a thread that may block. No thread is switched to for a pack that is a file: that
    /// would take longer than to open it.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub fn open_cached_here(&self, key: &MpackKey, runtime: &Handle) -> Result<Option<StoredPack>> {
        match &self.packs {
            Packs::Files(packs) => {
                let _runtime = runtime.enter();
                packs.open(&ObjectName::Pack(*key))
            }
            Packs::Cached(cached) => runtime.block_on(cached.open_cached(key)),
        }
    }

    /// Opens what is really stored under a key, past any copy.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub async fn open_uncached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        match &self.packs {
            Packs::Files(packs) => open_file(packs, ObjectName::Pack(*key)).await,
            Packs::Cached(cached) => cached.open_uncached(key).await,
        }
    }

    /// The size in bytes of what is really stored under a key, past any copy; `None` when it is not
    /// there. Cheap: no byte of it is read.
    ///
    /// # Errors
    /// When the place does not answer.
    pub async fn size_of(&self, key: &MpackKey) -> Result<Option<u64>> {
        Ok(self.objects().info(&ObjectName::Pack(*key)).await?.map(|found| found.bytes))
    }

    /// The hash of what is really stored under a key, past any copy: all of it is read now, and
    /// nothing of it is kept. `None` when it is not there.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn hash_uncached(&self, key: &MpackKey) -> Result<Option<MpackKey>> {
        let packs = match &self.packs {
            Packs::Cached(cached) => return cached.hash_uncached(key).await,
            Packs::Files(packs) => packs,
        };
        let (packs, name) = (packs.clone(), ObjectName::Pack(*key));
        blocking(move || {
            let Some(StoredPack { file, path, .. }) = packs.open(&name)? else { return Ok(None) };
            key_of(&file).map(Some).map_err(Error::io("reading", path))
        })
        .await
    }

    /// A pack's directory, unchecked; `None` when there is none.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>> {
        self.read(&ObjectName::Directory(*key)).await
    }

    /// The same on a thread that may block; see [`Vault::open_cached_here`].
    ///
    /// # Errors
    /// When it can't be read.
    pub fn directory_here(&self, key: &MpackKey, runtime: &Handle) -> Result<Option<Vec<u8>>> {
        let name = ObjectName::Directory(*key);
        match &self.packs {
            Packs::Files(packs) => {
                let _runtime = runtime.enter();
                read_file(packs.as_ref(), &name)
            }
            Packs::Cached(cached) => runtime.block_on(cached.read(&name)),
        }
    }

    /// A small object in memory; `None` when it is not there.
    pub(crate) async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>> {
        let packs = match &self.packs {
            Packs::Cached(cached) => return cached.read(name).await,
            Packs::Files(packs) => packs,
        };
        let (packs, name) = (packs.clone(), name.clone());
        blocking(move || read_file(packs.as_ref(), &name)).await
    }

    /// The URL of an existing answer, valid for at least `ttl`.
    ///
    /// # Errors
    /// As for [`Vault::url_of`].
    pub async fn url_of_answer(
        &self,
        repo: &RepoId,
        key: &MpackKey,
        ttl: Duration,
    ) -> Result<String> {
        self.objects().url_of(&answer(repo, key), ttl).await
    }

    /// Opens an answer; `None` when it is not there.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.open_object(&answer(repo, key), key).await
    }

    /// All packs that there are, in no order.
    ///
    /// # Errors
    /// When they can't be listed.
    pub async fn list(&self) -> Result<Vec<ListedPack>> {
        self.objects().list().await
    }
}

async fn open_file(packs: &Arc<dyn FilePackStore>, name: ObjectName) -> Result<Option<StoredPack>> {
    let packs = packs.clone();
    blocking(move || packs.open(&name)).await
}

/// A whole object; `None` when it is not there.
fn read_file(packs: &dyn FilePackStore, name: &ObjectName) -> Result<Option<Vec<u8>>> {
    let Some(stored) = packs.open(name)? else { return Ok(None) };
    let mut bytes = vec![0; stored.bytes as usize];
    stored.file.read_exact_at(&mut bytes, 0).map_err(Error::io("reading", &stored.path))?;
    Ok(Some(bytes))
}

/// The name of an answer.
fn answer(repo: &RepoId, key: &MpackKey) -> ObjectName {
    ObjectName::Answer(repo.clone(), *key)
}
