//! A small disk, which tests fill up and make room on.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What the smallest piece of such a disk holds, in bytes.
pub const PAGE: u64 = 4096;

/// A file system of its own, until it is dropped.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// One of so many MiB; `None`, said loudly, where tests may not mount.
    ///
    /// # Panics
    /// When there is no room for temporary folders.
    pub fn of(mebibytes: u32) -> Option<Disk> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|done| done.status.success()) {
            crate::skipped("mount", "this system lets tests mount nothing (mount -t tmpfs fails)");
            return None;
        }
        Some(Disk { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filling(&self) -> PathBuf {
        self.path().join("filling")
    }

    /// Leaves so many bytes free, rounded down to pages.
    ///
    /// # Panics
    /// When the disk fails otherwise than by being full.
    pub fn fill(&self, leaving: u64) {
        fill(&self.filling(), leaving);
    }

    /// Fills it up from elsewhere: what does so in a test is to outlive the borrow.
    pub fn filler(&self) -> impl Fn(u64) + Clone + Send + Sync + 'static {
        let filling = self.filling();
        move |leaving| fill(&filling, leaving)
    }

    /// Makes room again.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.filling());
    }
}

fn fill(filling: &Path, leaving: u64) {
    let mut file =
        File::options().create(true).append(true).open(filling).expect("a file takes no room");
    let zeros = vec![0; 1 << 18];
    let mut piece = &zeros[..];
    while !piece.is_empty() {
        match file.write(piece) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                piece = &piece[..piece.len() / 2]
            }
            Err(error) => panic!("the disk fails: {error}"),
        }
    }
    let length = file.metadata().expect("it is open").len();
    file.set_len(length.saturating_sub(leaving) / PAGE * PAGE).expect("a file can be made shorter");
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what is open on it goes with its process.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}
