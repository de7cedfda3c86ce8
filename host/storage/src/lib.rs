//! Where packs are kept: in a folder, or in a bucket of [S3](s3).
//!
//! Only this crate names object_store.

pub mod s3;

use std::path::{Path, PathBuf};

use packhouse_model::error::Result;
use packhouse_vault::StorageContents;
use packhouse_vault::local::LocalPacks;

/// Where packs are kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// As files in a folder.
    Folder(PathBuf),
    /// In a bucket.
    S3(s3::S3Options),
}

impl Storage {
    /// The folder on the local disk that is written to: the packs', or where copies of them are
    /// kept.
    pub fn folder(&self) -> &Path {
        match self {
            Storage::Folder(folder) => folder,
            Storage::S3(options) => &options.spool,
        }
    }
}

impl Storage {
    /// What is in a storage, for a catalog with this identity that is missing. Creates nothing.
    pub async fn inspect(&self, catalog: &str) -> Result<StorageContents> {
        match self {
            Storage::Folder(folder) => LocalPacks::inspect(folder, catalog),
            Storage::S3(options) => s3::inspect(options, catalog).await,
        }
    }
}

impl From<PathBuf> for Storage {
    fn from(folder: PathBuf) -> Storage {
        Storage::Folder(folder)
    }
}
