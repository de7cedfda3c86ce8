//! Copies of packs on the local disk. [`super::evict`] evicts the least recently used.
//!
//! ```text
//! packs/ab/abcd….VERSION   a copy; VERSION names the version of the object
//! staging/…                being downloaded, or being made
//! ```
//!
//! Copies are named by their content, so stores and processes may share a spool. A copy is renamed
//! into place when it is complete and its hash matches its key; open readers can go on when it is
//! evicted. Nothing is fsynced: a copy that was corrupted by a crash of the machine is found as
//! damage, dropped, and downloaded again.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use packhouse_model::error::{Error, Result};
use packhouse_model::files::{is_plain, key_of, known_in};
use packhouse_model::names::MpackKey;
use ring::digest::{SHA256, digest};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::objects::{is_hex, is_pack_folder};
use crate::packs::StoredPack;
use crate::staging::StagedFile;

/// The copies in a folder.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    budget: u64,
}

/// A copy of a pack.
pub(super) struct Copy {
    pub(super) key: MpackKey,
    pub(super) bytes: u64,
    path: PathBuf,
    used: SystemTime,
}

impl Copy {
    /// Whether it is a copy of a version of the object.
    pub(super) fn is_of(&self, version: Option<&str>) -> bool {
        self.path.extension().is_some_and(|copied| copied == short(version).as_str())
    }

    /// Removes it. Who has it open goes on reading.
    pub(super) fn remove(&self) -> Result<()> {
        remove(&self.path).map(drop)
    }
}

/// A short name for an object's version.
fn short(version: Option<&str>) -> String {
    hex::encode(&digest(&SHA256, version.unwrap_or_default().as_bytes()).as_ref()[..8])
}

impl Spool {
    /// The spool of a folder, which holds at most so many bytes of copies. It is made with the
    /// first.
    pub(super) fn of(root: &Path, budget: u64) -> Spool {
        Spool { folder: root.join("packs"), budget }
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    fn folder_of(&self, key: &MpackKey) -> PathBuf {
        self.folder.join(&key.hex()[..2])
    }

    /// The copies of a pack: more than one only if its object was rewritten.
    fn copies(&self, key: &MpackKey) -> Result<Vec<PathBuf>> {
        let hex = key.hex();
        let of_pack = |name: &str| is_copy(name).filter(|stem| *stem == hex).map(drop);
        let found = known_in(&self.folder_of(key), of_pack)?.into_iter().map(|((), path)| path);
        Ok(found.filter(|path| is_plain(path)).collect())
    }

    /// Whether there is a copy of a pack.
    pub(super) fn has(&self, key: &MpackKey) -> Result<bool> {
        self.copies(key).map(|copies| !copies.is_empty())
    }

    /// Opens a copy of a pack, whichever object it was.
    pub(super) fn any(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        for path in self.copies(key)? {
            if let Some(found) = open(path)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Opens the copy of a version of an object, of its size.
    pub(super) fn of_object(
        &self,
        key: &MpackKey,
        version: Option<&str>,
        bytes: u64,
    ) -> Result<Option<StoredPack>> {
        let path = self.folder_of(key).join(format!("{}.{}", key.hex(), short(version)));
        Ok(open(path)?.filter(|found| found.bytes == bytes))
    }

    /// Takes a whole and proven file in, as the copy of an object; gives where it is. One that is
    /// larger than the budget is not taken.
    pub(super) fn take(
        &self,
        staged: StagedFile,
        key: &MpackKey,
        version: Option<&str>,
    ) -> Result<Option<PathBuf>> {
        let bytes = staged.file.metadata().map_err(Error::io("measuring", staged.path()))?.len();
        if bytes > self.budget {
            return Ok(None);
        }
        let folder = self.folder_of(key);
        std::fs::create_dir_all(&folder).map_err(Error::io("creating", &folder))?;
        let path = folder.join(format!("{}.{}", key.hex(), short(version)));
        std::fs::rename(staged.path(), &path).map_err(Error::io("publishing", &path))?;
        touch(&staged.file);
        staged.keep();
        Ok(Some(path))
    }

    /// Drops the copies of a pack that are not what its key names; whether there was one.
    pub(super) fn forget_unsound(&self, key: &MpackKey) -> Result<bool> {
        let mut any = false;
        for path in self.copies(key)? {
            let Some(copy) = open(path.clone())? else { continue };
            // One that can't be read is worth as little.
            if key_of(&copy.file).is_ok_and(|found| found == *key) {
                continue;
            }
            any |= remove(&path)?;
        }
        Ok(any)
    }

    /// Drops the copies of a pack but one.
    pub(super) fn forget_others(&self, key: &MpackKey, but: &Path) -> Result<()> {
        for path in self.copies(key)?.iter().filter(|path| *path != but) {
            remove(path)?;
        }
        Ok(())
    }

    /// Drops all copies of a pack; whether there was one.
    pub(super) fn forget(&self, key: &MpackKey) -> Result<bool> {
        let mut any = false;
        for path in self.copies(key)? {
            any |= remove(&path)?;
        }
        Ok(any)
    }

    /// How many bytes of copies are more than fit; and the copies but the newest, the least recently
    /// used first.
    pub(super) fn excess(&self, newest: &Path) -> Result<(u64, Vec<Copy>)> {
        let mut copies = self.all()?;
        let total: u64 = copies.iter().map(|copy| copy.bytes).sum();
        copies.retain(|copy| copy.path != newest);
        copies.sort_by_key(|copy| copy.used);
        Ok((total.saturating_sub(self.budget), copies))
    }

    fn all(&self) -> Result<Vec<Copy>> {
        let mut all = Vec::new();
        for ((), folder) in known_in(&self.folder, |name| is_pack_folder(name).then_some(()))? {
            for (key, path) in known_in(&folder, key_in)? {
                // Another process may have evicted it since.
                let Ok(found) = path.symlink_metadata() else { continue };
                if !found.is_file() {
                    continue;
                }
                all.push(Copy {
                    key,
                    used: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    bytes: found.len(),
                    path,
                });
            }
        }
        Ok(all)
    }
}

/// The digits of the key in the name of a copy.
fn is_copy(name: &str) -> Option<&str> {
    let (key, version) = name.split_once('.')?;
    (is_hex(key, 64) && is_hex(version, 16)).then_some(key)
}

/// The key in the name of a copy.
fn key_in(name: &str) -> Option<MpackKey> {
    format!("sha256:{}", is_copy(name)?).parse().ok()
}

fn open(path: PathBuf) -> Result<Option<StoredPack>> {
    match File::open(&path) {
        Ok(file) => {
            touch(&file);
            let bytes = file.metadata().map_err(Error::io("measuring", &path))?.len();
            Ok(Some(StoredPack { file, path, bytes }))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("opening", &path)(e)),
    }
}

/// Says that a copy was used now. On a disk that can't be written it is evicted sooner than it
/// should, and nothing else.
fn touch(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = futimens(file, &Timestamps { last_access: now, last_modification: now });
}

fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io("removing", path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::{Staging, StagingFolder};

    fn staged(folder: &Path, bytes: usize) -> StagedFile {
        let staged = StagingFolder::of(folder).stage_unnamed().unwrap();
        staged.file.set_len(bytes as u64).unwrap();
        staged
    }

    fn key(n: u8) -> MpackKey {
        MpackKey::new([n; 32])
    }

    #[test]
    fn the_least_recently_used_copies_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::of(folder.path(), 100);
        let long_ago = |key: &MpackKey, seconds: u64| {
            let copy = File::options().write(true).open(&spool.copies(key).unwrap()[0]).unwrap();
            copy.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
                .unwrap();
        };
        for n in [1, 2] {
            assert!(spool.take(staged(folder.path(), 40), &key(n), None).unwrap().is_some());
            long_ago(&key(n), u64::from(n));
        }
        // Opening one is using it.
        let first = spool.any(&key(1)).unwrap().unwrap();
        let third = spool.take(staged(folder.path(), 40), &key(3), None).unwrap().unwrap();
        let (excess, copies) = spool.excess(&third).unwrap();
        assert_eq!(excess, 20);
        assert_eq!(copies.iter().map(|copy| copy.key).collect::<Vec<_>>(), [key(2), key(1)]);
        copies.iter().for_each(|copy| copy.remove().unwrap());
        assert_eq!([1, 2, 3].map(|n| spool.has(&key(n)).unwrap()), [false, false, true]);
        assert_eq!(spool.excess(&third).unwrap().0, 0);
        assert_eq!(first.file.metadata().unwrap().len(), 40, "who has it open goes on reading");
        assert!(spool.take(staged(folder.path(), 101), &key(5), None).unwrap().is_none());
    }

    #[test]
    fn a_copy_of_an_object_that_was_written_anew_is_not_its_copy() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::of(folder.path(), 100);
        spool.take(staged(folder.path(), 40), &key(1), Some("\"a\"")).unwrap();
        assert!(spool.of_object(&key(1), Some("\"a\""), 40).unwrap().is_some());
        assert!(spool.of_object(&key(1), Some("\"b\""), 40).unwrap().is_none());
        assert!(spool.of_object(&key(1), Some("\"a\""), 41).unwrap().is_none());
        assert!(spool.forget(&key(1)).unwrap() && !spool.forget(&key(1)).unwrap());
    }
}
