//! Files: writes files of the user atomically (to a temporary file that is renamed), hashes files,
//! lists packhouse's own files in folders, and restricts who can read new files.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ring::digest::{Context, SHA256};

use crate::digest::finish;
use crate::error::{Error, Result};
use crate::names::MpackKey;

/// The key of a file's current bytes, regardless of its read position.
pub fn key_of(file: &File) -> io::Result<MpackKey> {
    let mut sum = Context::new(&SHA256);
    // No more than the file has: most packs are small.
    let mut buffer = vec![0; file.metadata()?.len().clamp(1, 1 << 20) as usize];
    let mut at = 0;
    loop {
        let n = file.read_at(&mut buffer, at)?;
        if n == 0 {
            return Ok(MpackKey::new(finish(sum)));
        }
        sum.update(&buffer[..n]);
        at += n as u64;
    }
}

/// The URL of a file.
pub fn file_url(path: &Path) -> String {
    url::Url::from_file_path(path)
        .map_or_else(|()| format!("file://{}", path.display()), String::from)
}

/// The path of a temporary file next to `path`, with a unique name.
pub fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
        .join(format!(".packhouse-{name}"))
}

/// The files in a folder with names of packhouse, as `known` parses them. Everything else is
/// ignored: files of desktops and of NAS systems, names that are not UTF-8, dangling links. A
/// missing folder counts as empty.
///
/// All folders of a store are listed through this one function; a test below checks that.
pub fn known_in<T>(folder: &Path, known: impl Fn(&str) -> Option<T>) -> Result<Vec<(T, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        // A link that leads to itself leads to no folder.
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(Error::io("listing", folder)(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("listing", folder))?.path();
        match path.file_name().and_then(|name| name.to_str()).and_then(&known) {
            Some(one) => found.push((one, path)),
            None => {
                tracing::debug!("{} is not a file of packhouse; it is ignored", path.display())
            }
        }
    }
    Ok(found)
}

/// The folder, or its nearest existing ancestor: a store's folders are created with the first file.
pub fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|there| there.exists()).unwrap_or(folder)
}

/// Whether a path is a file, and not a link to one.
pub fn is_plain(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|there| there.is_file())
}

/// The user's `umask`. Not set in programs that did not ask for private files.
static USERS: OnceLock<u32> = OnceLock::new();

/// From now on, only the user of this process can read what it creates: stores contain private
/// repos, and the secret that signs URLs. Files that users name still follow their `umask`. To be
/// called at the start of a program, before it has threads.
pub fn make_private() {
    let before = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    // A second call would take the private one for the user's.
    let _ = USERS.set(before.as_raw_mode());
}

/// Applies the user's `umask` to a file that the user named.
pub fn for_user(file: &File) {
    set_mode(file, 0o666);
}

/// The same for a folder.
pub fn folder_for_user(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        set_mode(&folder, 0o777);
    }
}

/// If the mode can't be set, others just can't read it.
fn set_mode(file: &File, most: u32) {
    if let Some(umask) = USERS.get() {
        let _ = file.set_permissions(Permissions::from_mode(most & !umask));
    }
}

/// Refuses a path that exists and is not a regular file: a rename would replace it.
///
/// # Errors
/// [`Error::Usage`], which names it.
pub fn replaceable(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(Error::Usage(format!(
            "{} exists and is not a regular file; name another output file",
            path.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sources of the host that list folders, without tests.
    fn that_list_folders(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    that_list_folders(&path, found);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && std::fs::read_to_string(&path).unwrap().contains("read_dir(")
            {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn folders_of_a_store_are_listed_in_one_place() {
        let mut found = Vec::new();
        that_list_folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut found);
        // A backup has its own folder, which is listed whole.
        found.retain(|name| name != "folder.rs");
        assert_eq!(found, ["files.rs"]);
    }
}
