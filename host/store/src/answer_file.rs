//! An answer to a fetch as a file of the user's.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use packhouse_model::error::{Error, Result};
use packhouse_model::files::{beside, for_user, replaceable};
use packhouse_vault::{StagedFile, StoredPack};

/// A file to assemble an answer in, where the store has no place for one.
pub(super) fn stage_beside(output: &Path, name: &str) -> Result<StagedFile> {
    let path = beside(output, name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(Error::io("creating", &path))?;
    Ok(StagedFile::new(file, path))
}

/// Puts an answer that the store does not keep to where the user wants it.
pub(super) fn put_whole(staged: StagedFile, bytes: u64, output: &Path, name: &str) -> Result<()> {
    if staged.path().parent() != beside(output, name).parent() {
        let file = staged.file.try_clone().map_err(Error::io("opening", staged.path()))?;
        return copy_whole(
            &StoredPack { file, path: staged.path().to_owned(), bytes },
            output,
            name,
        );
    }
    replaceable(output)?;
    staged
        .file
        .sync_all()
        .and_then(|()| std::fs::rename(staged.path(), output))
        .map_err(Error::io("writing", output))?;
    staged.keep();
    Ok(())
}

/// Copies a pack to where the user wants it: whole, or not at all.
pub(super) fn copy_whole(pack: &StoredPack, output: &Path, name: &str) -> Result<()> {
    replaceable(output)?;
    let temporary = beside(output, name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create_new(&temporary)?;
        (&pack.file).rewind()?;
        for_user(&file);
        std::io::copy(&mut &pack.file, &mut file)?;
        file.flush()?;
        file.sync_all()?;
        std::fs::rename(&temporary, output)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::io("writing", output)(e)
    })
}
