//! The folder of a backup: a new one next to its final path, or an existing backup that is updated.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use packhouse_model::error::{BackupError, Error, Result};
use serde::{Deserialize, Serialize};

/// The manifest: marks a folder as a backup, and names its store.
const MARK: &str = "BACKUP.json";

/// Its content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The catalog that it is a copy of.
    pub(super) backup_of: String,
    /// When it was created.
    pub(super) made_at: Timestamp,
    /// A digest of the contents of its catalog; during an update also the previous one.
    pub(super) contents: Vec<String>,
}

/// The folder in which a backup is created. A new one is removed if it is dropped before it is
/// renamed to its final path.
#[derive(Debug)]
pub(super) struct BackupFolder {
    /// The final path of the backup.
    place: PathBuf,
    folder: PathBuf,
    /// A lock while a backup runs; the system releases it, also after a crash.
    lock: File,
    is_new: bool,
    is_done: bool,
}

impl BackupFolder {
    /// Starts in a new folder, or in the existing backup.
    pub(super) fn begin(
        to: &Path,
        update: bool,
        store: &Path,
        name: [u8; 16],
    ) -> Result<BackupFolder> {
        let named = to.file_name().ok_or_else(|| {
            Error::Usage(format!("{} is not a path of a folder that can be created", to.display()))
        })?;
        let above = std::path::absolute(to).map_err(Error::io("finding", to))?;
        let above = above.parent().unwrap_or(Path::new("/"));
        // A path in the store is refused before anything is created.
        let nearest =
            above.ancestors().find_map(|path| path.canonicalize().ok()).unwrap_or_default();
        let place = above.canonicalize().unwrap_or_else(|_| above.to_owned()).join(named);
        let place = place.canonicalize().unwrap_or(place);
        if nearest.starts_with(store) || place.starts_with(store) {
            let (folder, store) = (to.to_owned(), store.to_owned());
            return Err(BackupError::InStore { folder, store }.into());
        }
        std::fs::create_dir_all(above).map_err(Error::io("creating", above))?;
        match std::fs::read_dir(&place).map(|mut entries| entries.next().is_none()) {
            Ok(true) if other_disk(&place) => Err(BackupError::MountPoint(to.to_owned()).into()),
            Ok(true) => BackupFolder::new(place, name),
            Err(error) if error.kind() == ErrorKind::NotFound => BackupFolder::new(place, name),
            Ok(false) if update => BackupFolder::existing(place),
            Ok(false) => Err(BackupError::NotEmpty(to.to_owned()).into()),
            Err(error) => Err(Error::io("listing", &place)(error)),
        }
    }

    fn new(place: PathBuf, name: [u8; 16]) -> Result<BackupFolder> {
        let name = format!("{}{}", unfinished(&place), hex::encode(name));
        sweep(&place)?;
        let folder = place.with_file_name(name);
        make_folder(&folder)?;
        // The folders of a store, before a store is opened there: only their owner can read them,
        // regardless of the umask.
        for name in ["packs", "answers", "staging"] {
            make_folder(&folder.join(name))?;
        }
        let lock = File::open(&folder).map_err(Error::io("opening", &folder))?;
        lock.lock().map_err(Error::io("locking", &folder))?;
        Ok(BackupFolder { place, folder, lock, is_new: true, is_done: false })
    }

    fn existing(place: PathBuf) -> Result<BackupFolder> {
        let lock = File::open(&place).map_err(Error::io("opening", &place))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Running(place).into()),
            Err(TryLockError::Error(error)) => return Err(Error::io("locking", &place)(error)),
        }
        let work =
            BackupFolder { folder: place.clone(), place, lock, is_new: false, is_done: true };
        work.forget_draft()?;
        Ok(work)
    }

    /// Whether it is new; otherwise an existing backup is updated.
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The final path of the backup, for messages.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// The catalog of the existing backup.
    pub(super) fn catalog(&self) -> PathBuf {
        self.folder.join("catalog.db")
    }

    /// The catalog that is being copied: an empty file that only its owner can read.
    pub(super) fn draft(&self) -> Result<PathBuf> {
        self.forget_draft()?;
        let path = self.draft_path();
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("creating", &path))?;
        Ok(path)
    }

    fn draft_path(&self) -> PathBuf {
        self.folder.join("catalog.db.new")
    }

    fn forget_draft(&self) -> Result<()> {
        for ending in ["", "-wal", "-shm", "-journal", "-lock", "-turn"] {
            let mut path = self.draft_path().into_os_string();
            path.push(ending);
            remove(Path::new(&path))?;
        }
        Ok(())
    }

    /// The manifest of the existing backup.
    pub(super) fn mark(&self) -> Result<Manifest> {
        let manifest = self.folder.join(MARK);
        let read = std::fs::read_to_string(&manifest)
            .and_then(|text| serde_json::from_str(&text).map_err(Into::into));
        let folder = self.place.clone();
        read.map_err(|source| BackupError::NotABackup { folder, manifest, source }.into())
    }

    /// Writes the manifest atomically.
    pub(super) fn put_mark(&self, mark: &Manifest) -> Result<()> {
        use std::io::Write;
        let (path, draft) = (self.folder.join(MARK), self.folder.join(format!("{MARK}.new")));
        let text = serde_json::to_string(mark)
            .map_err(|error| Error::io("writing", &path)(error.into()))?;
        remove(&draft)?;
        let written =
            File::options().write(true).create_new(true).mode(0o600).open(&draft).and_then(
                |mut file| {
                    file.write_all(text.as_bytes())?;
                    file.write_all(b"\n")?;
                    file.sync_all()?;
                    std::fs::rename(&draft, &path)
                },
            );
        written.map_err(Error::io("writing", &path))
    }

    /// Renames the copied catalog to its final path.
    pub(super) fn publish_draft(&self) -> Result<()> {
        let (draft, catalog) = (self.draft_path(), self.catalog());
        // The log of the old file must not be used for the new one. The caller has made sure that
        // it is empty.
        for ending in ["-wal", "-shm"] {
            let mut path = catalog.clone().into_os_string();
            path.push(ending);
            remove(Path::new(&path))?;
        }
        std::fs::rename(&draft, &catalog).map_err(Error::io("publishing", &catalog))?;
        self.forget_draft()
    }

    /// Adds a pack's file atomically: a hard link if possible, otherwise a copy. Returns whether it
    /// was copied; none if the file does not exist.
    pub(super) fn take(&self, from: &Path, to: &Path, name: [u8; 16]) -> Result<Option<bool>> {
        let staged = self.folder.join("staging").join(hex::encode(name));
        for folder in [staged.parent(), to.parent()].into_iter().flatten() {
            make_folder(folder)?;
        }
        let copied = match std::fs::hard_link(from, &staged) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // Another disk, or a file system without hard links.
            Err(_) => match copy(from, &staged) {
                Ok(()) => true,
                Err(error) => {
                    remove(&staged)?;
                    return if error.kind() == ErrorKind::NotFound {
                        Ok(None)
                    } else {
                        Err(Error::io("copying", from)(error))
                    };
                }
            },
        };
        let published = std::fs::rename(&staged, to).map_err(Error::io("publishing", to));
        // If both are links to one file, renaming does nothing.
        remove(&staged)?;
        published.map(|()| Some(copied))
    }

    /// Syncs everything to disk, and renames a new backup to its final path.
    pub(super) fn finish(mut self) -> Result<()> {
        sync_folders(&self.folder.join("packs"))?;
        sync(&self.folder)?;
        if self.is_new {
            std::fs::rename(&self.folder, &self.place)
                .map_err(Error::io("creating", &self.place))?;
            self.is_done = true;
            sync(self.place.parent().unwrap_or(Path::new("/")))?;
        }
        Ok(())
    }
}

impl Drop for BackupFolder {
    fn drop(&mut self) {
        if !self.is_done {
            // What can't be removed now is removed by the next backup to that path.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
        let _ = self.lock.unlock();
    }
}

/// The prefix of temporary folders next to the final path.
fn unfinished(place: &Path) -> String {
    format!(".{}.unfinished-backup-", place.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes the temporary folders of backups that were killed.
fn sweep(place: &Path) -> Result<()> {
    let above = place.parent().unwrap_or(Path::new("/"));
    let begins = unfinished(place);
    for entry in std::fs::read_dir(above)
        .map_err(Error::io("listing", above))?
        .filter_map(std::result::Result::ok)
    {
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_prefix(&begins)).is_some_and(is_drawn);
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok()) {
            std::fs::remove_dir_all(&path).map_err(Error::io("removing", &path))?;
        }
    }
    Ok(())
}

/// Whether a suffix is one that packhouse generates.
fn is_drawn(end: &str) -> bool {
    end.len() == 32 && end.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Creates a folder that only its owner can read, with its parents.
fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("creating", path))
}

/// A durable copy that only its owner can read. Uses reflinks if the file system supports them.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    let file = File::open(to)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.sync_all()
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("removing", path)(error))
        }
        _ => Ok(()),
    }
}

/// Whether a folder is on another disk than its parent: then nothing can be renamed to it.
fn other_disk(folder: &Path) -> bool {
    let disk = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    disk(folder) != folder.parent().and_then(disk)
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("writing", folder))
}

fn sync_folders(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("listing", folder))? {
        let path = entry.map_err(Error::io("listing", folder))?.path();
        if path.is_dir() {
            sync(&path)?;
        }
    }
    sync(folder)
}
