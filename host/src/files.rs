//! Files: those of the user's, which are written beside their place and renamed, whole or not at all; and what their bytes are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use crate::error::{Error, Result};
use crate::names::MpackKey;

/// The key of a file's bytes as they are now, wherever it has been read to.
pub(crate) fn key_of(file: &File) -> io::Result<MpackKey> {
    let mut sum = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let n = file.read_at(&mut buffer, at)?;
        if n == 0 {
            let mut key = [0; 32];
            key.copy_from_slice(sum.finish().as_ref());
            return Ok(MpackKey::new(key));
        }
        sum.update(&buffer[..n]);
        at += n as u64;
    }
}

/// The URL of a file.
pub(crate) fn file_url(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| format!("file://{}", path.display()), String::from)
}

/// Where a file is written that is to stand at a path: beside it, under a name that nobody else has.
pub(crate) fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).join(format!(".packhouse-{name}"))
}

/// Refuses a path at which something else than a file stands: a rename would put a file in its place.
///
/// # Errors
/// [`Error::Usage`], which names it.
pub fn replaceable(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            Err(Error::Usage(format!("{} is there and is no file: say another one to write to", path.display())))
        }
        _ => Ok(()),
    }
}
