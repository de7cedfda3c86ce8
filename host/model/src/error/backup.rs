//! What can go wrong with backups.

use std::path::PathBuf;

/// Why there is no backup, or only the one before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The catalog or the packs are on a server.
    #[error(
        "`packhouse backup` copies stores that are files; the catalog of this store is {catalog}, its packs are in {packs}. Back up the catalog first, with pg_dump (or, where it is a file, sqlite3 FILE \".backup COPY\"), and enable versioning of the bucket: docs/operations.md, \"Backups\", describes this, and how to restore"
    )]
    OnServer {
        /// The catalog.
        catalog: String,
        /// Where the packs are.
        packs: String,
    },

    /// The catalog is on a server.
    #[error("the catalog {0} is not a file and can't be copied")]
    CatalogNotAFile(String),

    /// The folder is in the store itself.
    #[error("{} is in the store itself, {}; name a folder elsewhere", folder.display(), store.display())]
    InStore {
        /// The folder.
        folder: PathBuf,
        /// The store.
        store: PathBuf,
    },

    /// The folder is a mount point: no finished backup can be moved to its place.
    #[error(
        "{} is a mount point; name a new folder on it, such as {}",
        .0.display(),
        .0.join("packhouse").display()
    )]
    MountPoint(PathBuf),

    /// Something is in the folder.
    #[error(
        "{} exists and is not empty; name another folder, or update a backup with --update",
        .0.display()
    )]
    NotEmpty(PathBuf),

    /// Another backup holds the folder's lock.
    #[error("another backup to {} is running; nothing was changed", .0.display())]
    Running(PathBuf),

    /// What is in the folder is no backup: its manifest can't be read.
    #[error(
        "{} is not a backup of packhouse ({}: {source}), so it is not updated; name another folder",
        folder.display(),
        manifest.display()
    )]
    NotABackup {
        /// The folder.
        folder: PathBuf,
        /// Where its manifest would be.
        manifest: PathBuf,
        /// Why that can't be read.
        source: std::io::Error,
    },

    /// The folder has the backup of another store.
    #[error(
        "{} is a backup of another store, {other}; this store is {this}. Name another folder",
        folder.display()
    )]
    OtherStore {
        /// The folder.
        folder: PathBuf,
        /// The catalog that it is a backup of.
        other: String,
        /// This catalog.
        this: String,
    },

    /// The backup was used as a store: an update would lose what was written to it.
    #[error(
        "{} was written to after it was created, so it is a store of its own now and is not updated; name another folder",
        .0.display()
    )]
    WrittenTo(PathBuf),
}
