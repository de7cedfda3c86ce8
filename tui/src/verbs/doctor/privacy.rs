//! Checks whether other users of this machine can read private repos, and the secret that signs
//! URLs.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use packhouse_host::StoreOptions;

use super::check::Check;

/// The folders of a store.
const FOLDERS: [&str; 6] = ["packs", "answers", "staging", "catalogs", "spool", "cache"];

/// Checks the files and folders of the store. `None` if there are none yet.
pub(super) fn store(options: &StoreOptions) -> Option<Check> {
    const CHECK: &str = "privacy";
    let mut paths: Vec<PathBuf> = Vec::new();
    if let Some(file) = options.catalog.file() {
        let beside = |ending: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        paths.extend(["", "-wal", "-shm"].map(beside));
    }
    let packs = options.packs.folder();
    paths.extend(FOLDERS.map(|folder| packs.join(folder)));
    paths.retain(|path| path.exists());
    if paths.is_empty() {
        return None;
    }
    let open: Vec<&PathBuf> = paths.iter().filter(|path| others_reach(path)).collect();
    let Some(first) = open.first() else {
        let catalog = options.catalog.file().and_then(Path::parent);
        let folders = [Some(packs), catalog.filter(|folder| !folder.as_os_str().is_empty())];
        if let Some(check) = folders.into_iter().flatten().find_map(folder) {
            return Some(check);
        }
        return Some(Check::ok(CHECK, "only this user can read the files of the store"));
    };
    let more = match open.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let folder = first.parent().unwrap_or(first);
    Some(Check::warn(
        CHECK,
        format!(
            "other users can read {}{more}: private repos, and the secret that signs URLs",
            first.display()
        ),
        format!("chmod -R go= {}", folder.display()),
    ))
}

/// Warns about a folder in which other users can change or list files, regardless of the modes of
/// the files.
fn folder(folder: &Path) -> Option<Check> {
    const CHECK: &str = "privacy";
    let folder = folder.canonicalize().ok()?;
    let mode = |path: &Path| path.metadata().map_or(0, |found| found.permissions().mode());
    // Other users can't get past a closed parent.
    if mode(&folder) & 0o066 == 0 || folder.parent().is_some_and(|parent| mode(parent) & 0o077 == 0)
    {
        return None;
    }
    let danger = match mode(&folder) & 0o022 {
        0 => "list the folder",
        _ => "replace or delete the files in the folder",
    };
    Some(Check::warn(
        CHECK,
        format!(
            "other users can {danger} {}: its mode is {:o}",
            folder.display(),
            mode(&folder) & 0o7777
        ),
        format!("chmod -R go= {}", folder.display()),
    ))
}

/// Checks the private key of a server.
pub(super) fn tls_key(key: &Path) -> Check {
    const CHECK: &str = "tls key";
    match key.metadata() {
        Err(error) => Check::fail(
            CHECK,
            format!("{} can't be read: {error}", key.display()),
            "name the file that `packhouse serve --tls-key` uses",
        ),
        Ok(found) if is_open(&found) => Check::warn(
            CHECK,
            format!("other users can read {}, and impersonate the server", key.display()),
            format!("chmod 600 {}", key.display()),
        ),
        Ok(_) => Check::ok(CHECK, format!("only its owner can read {}", key.display())),
    }
}

/// Whether other users can read a file or list a folder: its mode and that of its parent allow it.
fn others_reach(path: &Path) -> bool {
    let lets = |path: &Path| path.metadata().is_ok_and(|found| is_open(&found));
    lets(path) && path.canonicalize().ok().and_then(|path| path.parent().map(lets)).unwrap_or(true)
}

fn is_open(found: &Metadata) -> bool {
    found.permissions().mode() & 0o077 != 0
}
