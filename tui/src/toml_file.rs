//! What the config files share: how they are read, and places in them.

use std::io::{ErrorKind, Result};
use std::path::Path;

/// The text of a file; `None` if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Line and column of a byte, both from 1; the column counts characters.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The place of a byte of a file, for errors: `FILE:LINE`.
pub(crate) fn place(path: &Path, text: &str, at: usize) -> String {
    format!("{}:{}", path.display(), position(text, at).0)
}
