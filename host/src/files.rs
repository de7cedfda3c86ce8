//! Files of the user's, which are written beside their place and renamed: whole, or not at all.

use std::path::Path;

use crate::error::{Error, Result};

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
