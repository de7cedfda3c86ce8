//! Files that are being made, on the local disk. Each is locked by its maker: what is there without a lock was left by a crash.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Staged, Swept};
use crate::error::{Error, Result};

/// A folder of such files.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// The folder `staging` of another folder, made on first use.
    pub(super) fn open(root: &Path) -> Result<Staging> {
        let folder = root.join("staging");
        std::fs::create_dir_all(&folder).map_err(Error::io("making", &folder))?;
        Ok(Staging { folder })
    }

    /// A new file of an unused name.
    pub(super) fn make(&self, name: &str) -> Result<Staged> {
        let path = self.folder.join(name);
        loop {
            if let Some(staged) = try_make(&path).map_err(Error::io("making", &path))? {
                return Ok(staged);
            }
        }
    }

    /// A new file of whatever name is free.
    pub(super) fn make_any(&self) -> Result<Staged> {
        for number in 0_u64.. {
            // Not the process id alone: processes in containers that share a folder may all have the same.
            let path = self.folder.join(format!("{}-{number}", std::process::id()));
            match try_make(&path) {
                Ok(Some(staged)) => return Ok(staged),
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("making", &path)(e)),
            }
        }
        unreachable!("there are more numbers than files")
    }

    /// Removes what nobody makes any more.
    pub(super) fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        for entry in std::fs::read_dir(&self.folder).map_err(Error::io("listing", &self.folder))? {
            let path = entry.map_err(Error::io("listing", &self.folder))?.path();
            let Ok(file) = File::options().read(true).write(true).open(&path) else { continue };
            match file.try_lock() {
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

/// `None` when a sweep came between making and locking, and took the file for one that was left behind.
fn try_make(path: &Path) -> std::io::Result<Option<Staged>> {
    let file = File::options().read(true).write(true).create_new(true).open(path)?;
    // The lock says that it is being made; the system drops it with its maker.
    file.lock()?;
    Ok(path.exists().then(|| Staged::new(file, path.to_owned())))
}

/// Bytes that can still be written to the disk of a folder.
pub(super) fn free_bytes(folder: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(folder).map_err(|e| Error::io("measuring", folder)(e.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
