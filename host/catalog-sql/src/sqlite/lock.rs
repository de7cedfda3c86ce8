//! The lock for publishing and deleting: locks on two files next to the catalog.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use packhouse_catalog::{LockGuard, LockMode};
use packhouse_model::error::{Error, Result};

/// How often it polls for the lock.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Number of polls after which a warning is logged.
pub(super) const POLLS_BEFORE_WARNING: u32 = 200;

/// Waits for a lock, on two files next to the catalog: the lock itself, and the turn to take it.
/// The system releases both when the files are closed, also after a crash.
///
/// A process that waits to delete holds the turn, so that publishers can't starve it. It polls,
/// because deleting needs the thread that would be blocked.
pub(super) async fn lock(catalog: &Path, mode: LockMode) -> Result<LockGuard> {
    let (turn, lock) = (FileLock::open(catalog, "-turn")?, FileLock::open(catalog, "-lock")?);
    let mut has_turn = false;
    for looks in 0.. {
        has_turn = has_turn || turn.take(mode)?;
        if has_turn && lock.take(mode)? {
            break;
        }
        if has_turn && mode == LockMode::Publishing {
            // Another process deletes: let others wait for it, too.
            turn.leave()?;
            has_turn = false;
        }
        if looks == POLLS_BEFORE_WARNING {
            tracing::warn!("waiting for another process that {}", mode.other());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(LockGuard::new(lock.file))
}

/// The catalog's path with a suffix.
fn beside(catalog: &Path, ending: &str) -> PathBuf {
    let mut path = catalog.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// The time that the file system records for a file next to the catalog that is written now.
pub(super) fn written_now(catalog: &Path) -> std::io::Result<jiff::Timestamp> {
    use std::io::Write;
    let mut file =
        File::options().create(true).truncate(false).write(true).open(beside(catalog, "-turn"))?;
    file.write_all(b"\n")?;
    jiff::Timestamp::try_from(file.metadata()?.modified()?).map_err(std::io::Error::other)
}

/// A file used as a lock.
struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    fn open(catalog: &Path, ending: &str) -> Result<FileLock> {
        let path = beside(catalog, ending);
        let open = File::options().create(true).truncate(false).write(true).read(true).open(&path);
        // Locking writes nothing: in a read-only store, an existing file is enough.
        let open = open.or_else(|error| File::open(&path).map_err(|_| error));
        Ok(FileLock { file: open.map_err(Error::io("opening", &path))?, path })
    }

    /// Takes the lock, unless another process holds it.
    fn take(&self, mode: LockMode) -> Result<bool> {
        let taken = match mode {
            LockMode::Publishing => self.file.try_lock_shared(),
            LockMode::Deleting => self.file.try_lock(),
        };
        match taken {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(Error::io("locking", &self.path)(error)),
        }
    }

    fn leave(&self) -> Result<()> {
        self.file.unlock().map_err(Error::io("unlocking", &self.path))
    }
}
