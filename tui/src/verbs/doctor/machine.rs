//! Checks of this machine: folders, disk, limits and terminal.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use packhouse_host::DiskSpace;
use packhouse_host::serve::OpenFiles;

use super::check::Check;
use crate::disk::Disk;
use crate::output::Output;
use crate::style::Environment;
use crate::text::size;

/// With fewer, a server has too few connections for some dozen clients.
const FEW_CONNECTIONS: usize = 256;

/// Whether a folder is writable, or can be created.
pub(super) fn folder(check: &'static str, folder: &Path) -> Check {
    let there = existing(folder);
    match written_and_read(&there) {
        Ok(()) if there == folder => Check::ok(check, format!("{} is writable", folder.display())),
        Ok(()) => {
            Check::ok(check, format!("{} does not exist yet, and can be created", folder.display()))
        }
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Check::warn(
            check,
            format!("{} is mounted read-only", there.display()),
            "repo list, fetch and verify work; to push, gc or prune, mount it writable, or use another --data folder",
        ),
        Err(error) => Check::fail(
            check,
            format!("{} is not writable: {error}", there.display()),
            "check its owner and how it is mounted, or use another --data folder",
        ),
    }
}

/// Writes and syncs a file, reads it back, compares and removes it.
fn written_and_read(folder: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".packhouse-doctor-").tempfile_in(folder)?;
    let written: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
    file.write_all(&written)?;
    file.as_file().sync_all()?;
    let read = std::fs::read(file.path())?;
    file.close()?;
    if read == written {
        Ok(())
    } else {
        Err(std::io::Error::other("it returned other bytes than were written"))
    }
}

/// The folder, or its nearest existing parent.
fn existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute);
    if there == absolute { folder.to_owned() } else { there.to_owned() }
}

/// Whether there is room on the disk of a folder.
pub(super) fn space(packs: &Path) -> Check {
    const WAY_OUT: &str = "free some space, or move the packs with --data or --storage";
    let there = existing(packs);
    match rustix::fs::statvfs(&there) {
        Ok(found) => {
            let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
            let space = DiskSpace {
                used_bytes: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
                free_bytes: bytes(found.f_bavail),
            };
            let detail = format!(
                "{} free on the disk of {}, {}% used",
                size(space.free_bytes),
                there.display(),
                space.percent_used()
            );
            Check::of_disk(Disk::of(space), detail, WAY_OUT)
        }
        Err(error) => Check::warn(
            "free space",
            format!("reading the free space of {} failed: {error}", there.display()),
            WAY_OUT,
        ),
    }
}

/// The limit of open files and sockets of a process.
pub(super) fn open_files(files: OpenFiles) -> Check {
    const CHECK: &str = "open files";
    let most = OpenFiles { soft: files.hard, ..files }.connections();
    let limit =
        |files: u64| if files > 1 << 20 { "any number".to_owned() } else { files.to_string() };
    let detail =
        format!("limit {}; a server raises it to {}", limit(files.soft), limit(files.hard));
    match most {
        ..FEW_CONNECTIONS => Check::warn(
            CHECK,
            format!("{detail}, enough for {most} connections"),
            "raise the hard limit (ulimit -Hn, or LimitNOFILE= of systemd) where `packhouse serve` runs",
        ),
        FEW_CONNECTIONS.. => Check::ok(CHECK, detail),
    }
}

/// Explains the output; finds no errors.
pub(super) fn terminal(output: &Output) -> Check {
    let environment = Environment::read();
    let is = if std::io::stdout().is_terminal() {
        "stdout is a terminal"
    } else {
        "stdout is not a terminal"
    };
    let colours = match (output.style().coloured(), environment.no_color, environment.dumb) {
        (true, _, _) => "colours on",
        (false, true, _) => "colours off, NO_COLOR is set",
        (false, _, true) => "colours off, TERM is dumb",
        (false, _, _) => "colours off",
    };
    let detail = format!("{is}, {colours}");
    if std::io::stdout().is_terminal() && environment.dumb {
        return Check::warn(
            "terminal",
            detail,
            "progress bars and the console need a terminal that can move its cursor; set TERM to its type",
        );
    }
    Check::ok("terminal", detail)
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_missing_folder_is_fine_and_a_file_in_its_place_is_not() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(folder("f", root.path()).status, Status::Ok);
        assert!(folder("f", &root.path().join("a/b")).detail.contains("can be created"));
        assert!(!root.path().join("a").exists());
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(folder("f", &file.join("below")).status, Status::Fail);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn few_open_files_are_reported_with_a_way_out() {
        let check = open_files(OpenFiles { soft: 128, hard: 128 });
        assert!(
            check.status == Status::Warn && check.detail.contains("32 connections"),
            "{check:?}"
        );
        assert_eq!(open_files(OpenFiles { soft: 128, hard: 4096 }).status, Status::Ok);
        assert!(
            open_files(OpenFiles { soft: u64::MAX, hard: u64::MAX }).detail.contains("any number")
        );
    }

    #[test]
    fn free_space_is_reported_for_missing_folders() {
        let root = tempfile::tempdir().unwrap();
        assert!(space(&root.path().join("a/b")).detail.contains("on the disk of"));
    }
}
