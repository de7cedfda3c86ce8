//! The vault on local files.
//!
//! ```text
//! packs/ab/abcd….mpack     a pack, by its key
//! packs/ab/abcd….dir       its directory
//! answers/REPO/abcd….mpack an assembled answer
//! staging/RANDOM           being made; locked by its maker
//! catalogs/abcd…           where a catalog is that has packs here
//! storage-id               which vault it is, for catalogs to know it by
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetResultPayload, ObjectStoreExt};
use packhouse_model::error::{Error, Result};
use packhouse_model::files::{file_url, is_plain, known_in};
use packhouse_model::names::{MpackKey, RepoId};
use packhouse_vault::{ListedPack, StagedFile, StorageContents, StoredPack, SweepResult, Vault};

use crate::objects::{
    IDENTITY, answer_key, identity_of, is_note, is_pack_folder, note_key, pack_key, pack_of,
};
use crate::staging::{Staging, free_bytes};

/// A vault in a folder.
#[derive(Debug)]
pub struct LocalVault {
    root: PathBuf,
    store: LocalFileSystem,
    staging: Staging,
}

impl LocalVault {
    /// Opens a vault in an existing folder. Subfolders are created with the first file.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(root: &Path) -> Result<LocalVault> {
        let root = root.canonicalize().map_err(Error::io("finding", root))?;
        let store =
            LocalFileSystem::new_with_prefix(&root).map_err(|e| failed("opening", &root, e))?;
        let staging = Staging::of(&root);
        // A rename is durable when its folder has been synced.
        Ok(LocalVault { root, store: store.with_fsync(true), staging })
    }

    /// The content of a folder that may be a vault, or may not exist. Creates nothing.
    pub(super) fn inspect(root: &Path, catalog: &str) -> Result<StorageContents> {
        let place = root.display().to_string();
        let Ok(root) = root.canonicalize() else {
            return Ok(StorageContents {
                place,
                has_packs: false,
                notes: Vec::new(),
                note: catalog.to_owned(),
            });
        };
        let note = note_of(&root, catalog);
        let mut has_packs = false;
        for (folder, path) in
            known_in(&root.join("packs"), |name| is_pack_folder(name).then(|| name.to_owned()))?
        {
            has_packs = has_packs || !known_in(&path, |name| pack_of(&folder, name))?.is_empty();
        }
        let notes = known_in(&root.join("catalogs"), |name| is_note(name).then_some(()))?;
        let notes =
            notes.iter().filter_map(|((), note)| std::fs::read_to_string(note).ok()).collect();
        Ok(StorageContents { place, has_packs, notes, note })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_ref())
    }

    async fn publish(&self, staged: StagedFile, to: &Key) -> Result<()> {
        let name = staged.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let from = Key::from_iter(["staging", name.as_str()]);
        self.store.rename(&from, to).await.map_err(|e| failed("publishing", &self.path(to), e))?;
        staged.keep();
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<StoredPack>> {
        match self.store.get(key).await {
            Ok(found) => match (found.meta.size, found.payload) {
                (bytes, GetResultPayload::File(file, path)) => {
                    Ok(Some(StoredPack { file, path, bytes }))
                }
                (_, GetResultPayload::Stream(_)) => {
                    Err(Error::Unsupported("a local vault answers with files".into()))
                }
            },
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(failed("opening", &self.path(key), e)),
        }
    }
}

/// What the note of a catalog says. A catalog in the vault's folder may move with it.
fn note_of(root: &Path, catalog: &str) -> String {
    let path = Path::new(catalog);
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Translates an error of object_store, once: what the system said, if it was the system.
fn failed(doing: &'static str, path: &Path, error: object_store::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(at) = cause {
        if let Some(io) = at.downcast_ref::<std::io::Error>() {
            let source = io.raw_os_error().map_or_else(
                || std::io::Error::new(io.kind(), io.to_string()),
                std::io::Error::from_raw_os_error,
            );
            return Error::Io { doing, path: path.to_owned(), source };
        }
        cause = at.source();
    }
    Error::Io { doing, path: path.to_owned(), source: std::io::Error::other(error) }
}

#[async_trait]
impl Vault for LocalVault {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn place_of(&self, key: &MpackKey) -> String {
        self.path(&pack_key(key, "mpack")).display().to_string()
    }

    async fn url_of(&self, key: &MpackKey, _ttl: Duration) -> Result<String> {
        Ok(file_url(&self.path(&pack_key(key, "mpack"))))
    }

    fn folder(&self) -> PathBuf {
        self.root.clone()
    }

    fn in_folder(&self, folder: &Path) -> Result<Arc<dyn Vault>> {
        Ok(Arc::new(LocalVault::open(folder)?))
    }

    fn file_of(&self, key: &MpackKey) -> Option<PathBuf> {
        Some(self.path(&pack_key(key, "mpack")))
    }

    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        self.staging.make(&hex::encode(name))
    }

    async fn store(&self, staged: StagedFile, key: &MpackKey) -> Result<()> {
        self.publish(staged, &pack_key(key, "mpack")).await
    }

    async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.get(&pack_key(key, "mpack")).await
    }

    async fn size_of(&self, key: &MpackKey) -> Result<Option<u64>> {
        let object = pack_key(key, "mpack");
        match self.store.head(&object).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(failed("looking for", &self.path(&object), e)),
        }
    }

    async fn put_directory(&self, key: &MpackKey, bytes: &[u8], name: [u8; 16]) -> Result<()> {
        // Through a temporary file as well, yet without waiting for the disk: it is checked when it
        // is read.
        let path = self.path(&pack_key(key, "dir"));
        let mut staged = self.stage(name)?;
        staged.file.write_all(bytes).map_err(Error::io("writing", &path))?;
        std::fs::rename(staged.path(), &path).map_err(Error::io("publishing", &path))?;
        staged.keep();
        Ok(())
    }

    async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>> {
        let path = self.path(&pack_key(key, "dir"));
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("reading", &path)(e)),
        }
    }

    async fn store_answer(
        &self,
        staged: StagedFile,
        repo: &RepoId,
        key: &MpackKey,
        _ttl: Duration,
    ) -> Result<String> {
        let to = answer_key(repo, key);
        self.publish(staged, &to).await?;
        Ok(file_url(&self.path(&to)))
    }

    async fn url_of_answer(&self, repo: &RepoId, key: &MpackKey, _ttl: Duration) -> Result<String> {
        Ok(file_url(&self.path(&answer_key(repo, key))))
    }

    async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.get(&answer_key(repo, key)).await
    }

    async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()> {
        let key = answer_key(repo, key);
        match self.store.delete(&key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(failed("removing", &self.path(&key), e)),
        }
    }

    async fn remove(&self, key: &MpackKey) -> Result<()> {
        // The directory first: a pack without one is whole, one without a pack is nothing.
        for ending in ["dir", "mpack"] {
            let key = pack_key(key, ending);
            match self.store.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(failed("removing", &self.path(&key), e)),
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<ListedPack>> {
        let root = self.root.join("packs");
        let listing = tokio::task::spawn_blocking(move || {
            let mut packs = Vec::new();
            for (folder, path) in
                known_in(&root, |name| is_pack_folder(name).then(|| name.to_owned()))?
            {
                for (key, path) in known_in(&path, |name| pack_of(&folder, name))? {
                    // Another process may have removed it since.
                    let Ok(found) = path.metadata() else { continue };
                    if found.is_file() {
                        let modified =
                            found.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
                        packs.push(ListedPack {
                            key,
                            bytes: found.len(),
                            modified: modified.unwrap_or(Timestamp::MAX),
                        });
                    }
                }
            }
            Ok(packs)
        });
        listing.await.map_err(|_| Error::Cancelled)?
    }

    async fn register(&self, catalog: &str) -> Result<Vec<String>> {
        let folder = self.root.join("catalogs");
        let place = note_of(&self.root, catalog);
        let note = self.path(&note_key(&place));
        if !note.exists() {
            std::fs::create_dir_all(&folder).map_err(Error::io("creating", &folder))?;
            std::fs::write(&note, &place).map_err(Error::io("writing", &note))?;
        }
        self.catalogs(catalog).await
    }

    async fn catalogs(&self, catalog: &str) -> Result<Vec<String>> {
        let mine = note_of(&self.root, catalog);
        let mut places = vec![mine.clone()];
        for ((), path) in known_in(&self.root.join("catalogs"), |name| is_note(name).then_some(()))?
        {
            if is_plain(&path) {
                let text = std::fs::read(&path).map_err(Error::io("reading", &path))?;
                places.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        places[1..].sort();
        places.dedup();
        let others = places.split_off(1);
        places.extend(others.into_iter().filter(|place| *place != mine));
        Ok(places)
    }

    async fn identity(&self) -> Result<Option<[u8; 32]>> {
        let path = self.root.join(IDENTITY);
        match std::fs::read(&path) {
            Ok(text) => Ok(identity_of(&text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("reading", &path)(e)),
        }
    }

    async fn identify(&self, fresh: [u8; 32]) -> Result<[u8; 32]> {
        if let Some(there) = self.identity().await? {
            return Ok(there);
        }
        let path = self.root.join(IDENTITY);
        let mut staged = self.staging.make_any()?;
        staged
            .file
            .write_all(hex::encode(fresh).as_bytes())
            .map_err(Error::io("writing", &path))?;
        staged.file.sync_all().map_err(Error::io("writing", &path))?;
        // A link, and no rename: of two who are the first, the second finds that of the first.
        match std::fs::hard_link(staged.path(), &path) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                // Not every file system has links. Then who is last wins, and the next look says
                // who that is.
                std::fs::rename(staged.path(), &path).map_err(Error::io("writing", &path))?;
                staged.keep();
            }
            Ok(()) | Err(_) => drop(staged),
        }
        Ok(self.identity().await?.unwrap_or(fresh))
    }

    async fn sweep(&self) -> Result<SweepResult> {
        self.staging.sweep()
    }

    fn free_bytes(&self) -> Result<u64> {
        free_bytes(&self.root)
    }
}
