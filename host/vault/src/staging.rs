//! The port to unfinished files, and its adapter: a folder. They are always on the local disk.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Result as IoResult};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

use packhouse_model::error::{Error, Result};
use packhouse_model::files::{known_in, nearest};
use packhouse_model::report::DiskSpace;
use rustix::fs::{OFlags, StatVfs};

use crate::objects::is_hex;

/// A file in staging: no one reads it until it is stored, and dropping it removes it.
#[must_use = "a staged file is removed when it is dropped"]
#[derive(Debug)]
pub struct StagedFile {
    /// Open for reading and writing, and locked for as long as its maker lives.
    pub file: File,
    path: PathBuf,
    kept: bool,
    /// A sync that was started, and not waited for.
    syncing: Option<JoinHandle<IoResult<()>>>,
}

impl StagedFile {
    /// A file at a path, open for reading and writing and locked: for adapters.
    pub fn new(file: File, path: PathBuf) -> StagedFile {
        StagedFile { file, path, kept: false, syncing: None }
    }

    /// It has been moved to its place: for adapters.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts to sync the file to the disk beside other work, unless that was started before. It is
    /// complete: what is written to it later is not waited for.
    pub fn start_sync(&mut self) {
        if self.syncing.is_some() {
            return;
        }
        // If no thread can be had, the file is synced when it is needed.
        self.syncing = self.file.try_clone().ok().and_then(|file| {
            Builder::new().name("sync".into()).spawn(move || file.sync_all()).ok()
        });
    }

    /// Waits until the file is on the disk.
    ///
    /// # Errors
    /// If it can't be written there, whenever that was tried.
    pub fn sync(&mut self) -> IoResult<()> {
        match self.syncing.take().map(JoinHandle::join) {
            Some(Ok(synced)) => synced,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => self.file.sync_all(),
        }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.kept {
            // What can't be removed now is swept at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The result of a sweep of staging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepResult {
    /// Abandoned files.
    pub removed: u64,
    /// Files that are still being written.
    pub in_use: u64,
}

/// Where unfinished files are. No one reads them, and a crash leaves nothing but such files.
pub trait Staging: Send + Sync + std::fmt::Debug {
    /// The folder on the local disk that is written to. Staging is a folder in it.
    fn folder(&self) -> &Path;

    /// A new file. `name` must be unused: 16 fresh random bytes.
    ///
    /// # Errors
    /// When the folder can't be written.
    fn stage(&self, name: [u8; 16]) -> Result<StagedFile>;

    /// A new file of whatever name is free.
    ///
    /// # Errors
    /// When the folder can't be written.
    fn stage_unnamed(&self) -> Result<StagedFile>;

    /// Removes what crashes left, and nothing that is not of this making.
    ///
    /// # Errors
    /// When the folder can't be listed, or a file can't be removed.
    fn sweep(&self) -> Result<SweepResult>;

    /// Bytes that can still be written to [`Staging::folder`].
    ///
    /// # Errors
    /// When the folder can't be accessed.
    fn free_bytes(&self) -> Result<u64>;

    /// The space of the disk of [`Staging::folder`]; none if it is not a disk's.
    ///
    /// # Errors
    /// When the folder can't be accessed.
    fn disk(&self) -> Result<Option<DiskSpace>> {
        Ok(None)
    }
}

/// The prefix of numbered files.
const NUMBERED: &str = "packhouse-";

/// Unfinished files in the folder `staging` of another folder. It is made with the first file.
///
/// Each is locked by its writer: a file without a lock was left by a crash.
#[derive(Clone, Debug)]
pub struct StagingFolder {
    folder: PathBuf,
    staging: PathBuf,
}

impl StagingFolder {
    /// Staging in a folder, which may not be there yet.
    pub fn of(folder: &Path) -> StagingFolder {
        StagingFolder { folder: folder.to_owned(), staging: folder.join("staging") }
    }

    fn make_folder(&self) -> Result<()> {
        std::fs::create_dir_all(&self.staging).map_err(Error::io("creating", &self.staging))
    }

    /// The blocks of the disk.
    fn measure(&self) -> Result<StatVfs> {
        let folder = nearest(&self.folder);
        rustix::fs::statvfs(folder).map_err(|e| Error::io("measuring", folder)(e.into()))
    }
}

impl Staging for StagingFolder {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        let path = self.staging.join(hex::encode(name));
        self.make_folder()?;
        loop {
            if let Some(staged) = try_make(&path).map_err(Error::io("creating", &path))? {
                return Ok(staged);
            }
        }
    }

    fn stage_unnamed(&self) -> Result<StagedFile> {
        self.make_folder()?;
        for number in 0_u64.. {
            // Not the process id alone: processes in containers that share a folder may all have
            // the same.
            let path = self.staging.join(format!("{NUMBERED}{}-{number}", std::process::id()));
            match try_make(&path) {
                Ok(Some(staged)) => return Ok(staged),
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("creating", &path)(e)),
            }
        }
        unreachable!("there are more numbers than files")
    }

    /// Those with names of this module, and nothing else in the folder. Links are not followed.
    fn sweep(&self) -> Result<SweepResult> {
        let mut swept = SweepResult::default();
        for ((), path) in known_in(&self.staging, |name| is_ours(name).then_some(()))? {
            // A pipe would be waited for, a link would lead elsewhere.
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
            let opened = File::options()
                .read(true)
                .write(true)
                .custom_flags(flags.cast_signed())
                .open(&path);
            let Ok(file) = opened else { continue };
            match file.try_lock() {
                Ok(()) if !lies_at(&file, &path) => {}
                Ok(()) => match std::fs::remove_file(&path) {
                    Ok(()) => swept.removed += 1,
                    // Another sweep was there first, or its maker has just put it into place.
                    Err(e) if e.kind() == ErrorKind::NotFound => {}
                    Err(e) => return Err(Error::io("removing", &path)(e)),
                },
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => swept.in_use += 1,
            }
        }
        Ok(swept)
    }

    fn free_bytes(&self) -> Result<u64> {
        let found = self.measure()?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn disk(&self) -> Result<Option<DiskSpace>> {
        let found = self.measure()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Some(DiskSpace {
            used_bytes: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
            free_bytes: bytes(found.f_bavail),
        }))
    }
}

/// Whether a name is one of those that are given here.
fn is_ours(name: &str) -> bool {
    let numbers = name.strip_prefix(NUMBERED).and_then(|numbers| numbers.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_hex(name, 32)
        || numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Whether a plain file is the one at a path now.
fn lies_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(there)) => {
            there.is_file() && (open.dev(), open.ino()) == (there.dev(), there.ino())
        }
        _ => false,
    }
}

/// `None` when a sweep came between making and locking, and took the file for one that was left
/// behind.
fn try_make(path: &Path) -> std::io::Result<Option<StagedFile>> {
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    // The lock says that it is being made; the system drops it with its maker.
    file.lock()?;
    Ok(path.exists().then(|| StagedFile::new(file, path.to_owned())))
}
