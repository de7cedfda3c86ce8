//! Unfinished files, on the local disk. Each is locked by its writer: a file without a lock was
//! left by a crash.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use packhouse_model::error::{Error, Result};
use packhouse_model::files::{known_in, nearest};
use packhouse_vault::{StagedFile, SweepResult};
use rustix::fs::OFlags;

use crate::objects::is_hex;

/// The prefix of numbered files.
const NUMBERED: &str = "packhouse-";

/// A folder of such files.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// The folder `staging` of another folder. It is made with the first file.
    pub(super) fn of(root: &Path) -> Staging {
        Staging { folder: root.join("staging") }
    }

    /// A new file of an unused name: 32 hexadecimal digits.
    pub(super) fn make(&self, name: &str) -> Result<StagedFile> {
        let path = self.folder.join(name);
        self.make_folder()?;
        loop {
            if let Some(staged) = try_make(&path).map_err(Error::io("creating", &path))? {
                return Ok(staged);
            }
        }
    }

    fn make_folder(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("creating", &self.folder))
    }

    /// A new file of whatever name is free.
    pub(super) fn make_any(&self) -> Result<StagedFile> {
        self.make_folder()?;
        for number in 0_u64.. {
            // Not the process id alone: processes in containers that share a folder may all have
            // the same.
            let path = self.folder.join(format!("{NUMBERED}{}-{number}", std::process::id()));
            match try_make(&path) {
                Ok(Some(staged)) => return Ok(staged),
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("creating", &path)(e)),
            }
        }
        unreachable!("there are more numbers than files")
    }

    /// Removes abandoned files: those with names of this module, and nothing else in the folder.
    /// Links are not followed.
    pub(super) fn sweep(&self) -> Result<SweepResult> {
        let mut swept = SweepResult::default();
        for ((), path) in known_in(&self.folder, |name| is_ours(name).then_some(()))? {
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

/// Bytes that can still be written to the disk of a folder, which may not be there yet.
pub(super) fn free_bytes(folder: &Path) -> Result<u64> {
    let folder = nearest(folder);
    let found =
        rustix::fs::statvfs(folder).map_err(|e| Error::io("measuring", folder)(e.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
