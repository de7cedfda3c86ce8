//! Packs as local files.
//!
//! ```text
//! packs/ab/abcd….mpack     a pack, by its key
//! packs/ab/abcd….dir       its directory
//! answers/REPO/abcd….mpack an assembled answer
//! staging/RANDOM           being made; locked by its maker
//! catalogs/abcd…           where a catalog is that has packs here
//! storage-id               which vault it is, for catalogs to know it by
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use packhouse_model::blocking::blocking;
use packhouse_model::error::{Error, Result};
use packhouse_model::files::{file_url, is_plain, known_in};

use crate::contents::StorageContents;
use crate::objects::{ObjectName, is_pack_folder, pack_of};
use crate::packs::{FilePackStore, ListedPack, ObjectInfo, PackStore, StoredPack};
use crate::ranges::read_file;
use crate::staging::{StagedFile, Staging, StagingFolder};

/// Bytes that are in the page cache in less time than it takes to hand them to another thread.
const WRITTEN_AT_ONCE: usize = 64 << 10;
/// Files that are synced at once: a disk syncs many in little more time than one.
const SYNCED: usize = 32;

/// Packs in a folder.
#[derive(Debug)]
pub struct LocalPacks {
    root: PathBuf,
    /// For small objects.
    staging: StagingFolder,
}

impl LocalPacks {
    /// Opens an existing folder. Subfolders are created with the first file.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(root: &Path) -> Result<LocalPacks> {
        let root = root.canonicalize().map_err(Error::io("finding", root))?;
        Ok(LocalPacks { staging: StagingFolder::of(&root), root })
    }

    /// The folder, without links on the way.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The content of a folder that may have packs, or may not exist. Creates nothing.
    ///
    /// # Errors
    /// When it can't be listed.
    pub fn inspect(root: &Path, catalog: &str) -> Result<StorageContents> {
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
        for (folder, path) in pack_folders(&root)? {
            has_packs = has_packs || !known_in(&path, |name| pack_of(&folder, name))?.is_empty();
        }
        let notes = known_in(&root.join("catalogs"), ObjectName::note_of)?;
        let notes =
            notes.iter().filter_map(|(_, note)| std::fs::read_to_string(note).ok()).collect();
        Ok(StorageContents { place, has_packs, notes, note })
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.to_string())
    }
}

/// An object in staging.
fn staged(staging: &StagingFolder, bytes: &[u8], path: &Path) -> Result<StagedFile> {
    let mut staged = staging.stage_unnamed()?;
    staged.file.write_all(bytes).map_err(Error::io("writing", path))?;
    Ok(staged)
}

/// What the note of a catalog says. A catalog in the vault's folder may move with it.
fn note_of(root: &Path, catalog: &str) -> String {
    let path = Path::new(catalog);
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// The folders of packs, with their names.
fn pack_folders(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    known_in(&root.join("packs"), |name| is_pack_folder(name).then(|| name.to_owned()))
}

fn open(path: PathBuf) -> io::Result<Option<StoredPack>> {
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let found = file.metadata()?;
    Ok(found.is_file().then(|| StoredPack { file, path, bytes: found.len() }))
}

/// Moves staged files to their paths durably: first they are on the disk, then their names.
fn publish(mut staged: Vec<(StagedFile, PathBuf)>) -> Result<()> {
    for some in staged.chunks_mut(SYNCED) {
        some.iter_mut().for_each(|(staged, _)| staged.start_sync());
        for (staged, _) in some {
            staged.sync().map_err(Error::io("writing", staged.path()))?;
        }
    }
    let mut changed = BTreeSet::new();
    for (staged, to) in staged {
        rename(staged.path(), &to).map_err(Error::io("publishing", &to))?;
        let folders = [to.as_path(), staged.path()].into_iter().filter_map(Path::parent);
        changed.extend(folders.map(Path::to_owned));
        staged.keep();
    }
    let synced = |folder: PathBuf| sync_folder(&folder).map_err(Error::io("publishing", &folder));
    changed.into_iter().try_for_each(synced)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    loop {
        match std::fs::rename(from, to) {
            Err(e) if e.kind() == ErrorKind::NotFound && from.exists() => make_folders(to)?,
            renamed => return renamed,
        }
    }
}

/// Makes the folders above a path durably.
fn make_folders(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let made: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    std::fs::create_dir_all(folder)?;
    made.into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[async_trait]
impl PackStore for LocalPacks {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn place_of(&self, name: &ObjectName) -> String {
        self.path(name).display().to_string()
    }

    async fn url_of(&self, name: &ObjectName, _ttl: Duration) -> Result<String> {
        Ok(file_url(&self.path(name)))
    }

    fn longest_url(&self) -> Option<Duration> {
        None
    }

    async fn info(&self, name: &ObjectName) -> Result<Option<ObjectInfo>> {
        let path = self.path(name);
        blocking(move || match open(path.clone()) {
            Ok(found) => Ok(found.map(|found| ObjectInfo { bytes: found.bytes, version: None })),
            Err(e) => Err(Error::io("looking for", path)(e)),
        })
        .await
    }

    async fn write(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        // Through a temporary file as well, yet without waiting for the disk.
        let (path, staging) = (self.path(name), self.staging.clone());
        let is_small = bytes.len() <= WRITTEN_AT_ONCE;
        let write = move || {
            let staged = staged(&staging, &bytes, &path)?;
            std::fs::rename(staged.path(), &path).map_err(Error::io("publishing", &path))?;
            staged.keep();
            Ok(())
        };
        if is_small { write() } else { blocking(write).await }
    }

    async fn write_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        let staged = staged(&self.staging, bytes, &path)?;
        staged.file.sync_all().map_err(Error::io("writing", &path))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
        }
        // A link, and no rename: of two who are the first, the second finds that of the first.
        match std::fs::hard_link(staged.path(), &path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                // Not every file system has links. Then who is last wins, and the next look says
                // who that is.
                std::fs::rename(staged.path(), &path).map_err(Error::io("writing", &path))?;
                staged.keep();
            }
            Ok(()) | Err(_) => drop(staged),
        }
        Ok(())
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        let path = self.path(name);
        blocking(move || match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("removing", path)(e)),
            Ok(()) | Err(_) => Ok(()),
        })
        .await
    }

    async fn list(&self) -> Result<Vec<ListedPack>> {
        let root = self.root.clone();
        blocking(move || {
            let mut packs = Vec::new();
            for (folder, path) in pack_folders(&root)? {
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
        })
        .await
    }

    async fn notes(&self) -> Result<Vec<ObjectName>> {
        let found = known_in(&self.root.join("catalogs"), ObjectName::note_of)?;
        Ok(found.into_iter().filter(|(_, path)| is_plain(path)).map(|(note, _)| note).collect())
    }

    fn note_of(&self, catalog: &str) -> String {
        note_of(&self.root, catalog)
    }
}

#[async_trait]
impl FilePackStore for LocalPacks {
    fn start_publish(&self, staged: &mut StagedFile) {
        staged.start_sync();
    }

    async fn publish(&self, staged: Vec<(StagedFile, ObjectName)>) -> Result<()> {
        let to_paths = staged.into_iter().map(|(staged, name)| (staged, self.path(&name)));
        let staged = to_paths.collect();
        blocking(move || publish(staged)).await
    }

    fn open(&self, name: &ObjectName) -> Result<Option<StoredPack>> {
        let path = self.path(name);
        open(path.clone()).map_err(Error::io("opening", path))
    }

    async fn read_ranges(
        &self,
        name: &ObjectName,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        let (path, ranges) = (self.path(name), ranges.to_vec());
        blocking(move || {
            let read =
                || open(path.clone())?.map(|found| read_file(&found.file, &ranges)).transpose();
            read().map_err(Error::io("reading", &path))
        })
        .await
    }

    fn file_of(&self, name: &ObjectName) -> Option<PathBuf> {
        Some(self.path(name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use packhouse_model::names::MpackKey;

    use super::*;
    use crate::staging::SweepResult;

    /// Law 5: what the disk did not take is not published, whenever it was synced.
    #[tokio::test]
    async fn law_5_a_file_that_can_not_be_synced_is_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let packs = LocalPacks::open(folder.path()).unwrap();
        for is_started in [false, true] {
            let mut sound = staged(&packs.staging, b"sound", folder.path()).unwrap();
            let path = packs.staging.stage_unnamed().unwrap().path().to_owned();
            std::fs::write(&path, b"lost").unwrap();
            // A pipe can't be synced.
            let (_reader, writer) = std::io::pipe().unwrap();
            let mut lost = StagedFile::new(File::from(OwnedFd::from(writer)), path.clone());
            if is_started {
                packs.start_publish(&mut sound);
                packs.start_publish(&mut lost);
            }
            let [first, second] = [1, 2].map(|n| ObjectName::Pack(MpackKey::new([n; 32])));
            let both = vec![(sound, first.clone()), (lost, second.clone())];
            let error = packs.publish(both).await.unwrap_err();
            assert!(error.to_string().contains("writing"), "{error}");
            assert!(!packs.path(&first).exists() && !packs.path(&second).exists());
            assert!(!path.exists(), "dropping it has removed it");
        }
    }

    #[tokio::test]
    async fn files_that_are_published_together_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let packs = LocalPacks::open(folder.path()).unwrap();
        let names: Vec<_> = (0..100).map(|n| ObjectName::Pack(MpackKey::new([n; 32]))).collect();
        let staged = names.iter().map(|name| {
            (
                staged(&packs.staging, name.to_string().as_bytes(), folder.path()).unwrap(),
                name.clone(),
            )
        });
        packs.publish(staged.collect()).await.unwrap();
        for name in &names {
            assert_eq!(std::fs::read_to_string(packs.path(name)).unwrap(), name.to_string());
        }
        assert_eq!(packs.staging.sweep().unwrap(), SweepResult::default(), "nothing is left");
    }
}
