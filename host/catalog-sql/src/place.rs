//! Where a catalog is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use packhouse_catalog::Catalog;
use packhouse_model::error::{Error, Result};

use super::postgres::PostgresCatalog;
use super::sqlite::SqliteCatalog;
use super::{Migrations, PendingMigrations, postgres};

/// Where a catalog is.
#[derive(Clone, PartialEq, Eq)]
pub enum CatalogPlace {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// The URL of a Postgres database. It may hold a password.
    Postgres(String),
}

/// A catalog that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingCatalog {
    /// Its identity, if it existed: see [`Catalog::identity`].
    pub identity: String,
    /// What is there instead, as the end of a sentence.
    pub instead: &'static str,
}

impl std::fmt::Debug for CatalogPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for CatalogPlace {
    /// Without a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CatalogPlace::Sqlite(file) => file.display().fmt(f),
            CatalogPlace::Postgres(url) => f.write_str(&postgres::place_of(url)),
        }
    }
}

impl CatalogPlace {
    /// Opens the catalog; creates it on first use, and migrates it.
    ///
    /// # Errors
    /// If it can't be created or read; [`packhouse_model::error::OpenError::NewerStore`] if a newer
    /// packhouse has migrated it; [`packhouse_model::error::OpenError::ForeignDatabase`] for the
    /// database of another program.
    pub async fn open(&self) -> Result<Arc<dyn Catalog>> {
        self.open_with(PendingMigrations::Run).await
    }

    /// The same, with what to do about pending migrations.
    ///
    /// # Errors
    /// [`packhouse_model::error::OpenError::PendingMigrations`], if they are not to be run.
    pub async fn open_with(&self, pending: PendingMigrations) -> Result<Arc<dyn Catalog>> {
        match self {
            CatalogPlace::Sqlite(file) => {
                if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty())
                {
                    std::fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
                }
                Ok(Arc::new(SqliteCatalog::open_with(file, pending).await?))
            }
            CatalogPlace::Postgres(url) => {
                Ok(Arc::new(PostgresCatalog::open_with(url, pending).await?))
            }
        }
    }

    /// Whether there is a catalog. If not: what is in its place, and the catalog's identity.
    /// Creates nothing.
    ///
    /// # Errors
    /// When a server can't be reached.
    pub async fn absent(&self) -> Result<Option<MissingCatalog>> {
        match self {
            CatalogPlace::Sqlite(file) => Ok(SqliteCatalog::absent(file).await),
            CatalogPlace::Postgres(url) => PostgresCatalog::absent(url).await,
        }
    }

    /// Turns a catalog that is not open into a single file without a log, durably.
    ///
    /// # Errors
    /// When it is open.
    pub(crate) async fn settle(&self) -> Result<()> {
        match self {
            CatalogPlace::Sqlite(file) => SqliteCatalog::settle(file).await,
            CatalogPlace::Postgres(_) => Ok(()),
        }
    }

    /// The state of its migrations. Changes nothing.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn migrations(&self) -> Result<Migrations> {
        match self {
            CatalogPlace::Sqlite(file) => SqliteCatalog::migrations(file).await,
            CatalogPlace::Postgres(url) => PostgresCatalog::migrations(url).await,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            CatalogPlace::Sqlite(file) => Some(file),
            CatalogPlace::Postgres(_) => None,
        }
    }
}
