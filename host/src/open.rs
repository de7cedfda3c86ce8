//! Opens stores: chooses the adapters of the ports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use packhouse_catalog::Catalog;
use packhouse_catalog_sql::{CatalogPlace, MissingCatalog, PendingMigrations};
use packhouse_model::blocking::blocking;
use packhouse_model::clock::{Clock, SystemClock};
use packhouse_model::error::{Error, Result};
use packhouse_sandbox::Sandbox;
use packhouse_storage::Storage;
use packhouse_storage::s3::S3Packs;
use packhouse_store::Store;
use packhouse_vault::{StorageContents, Vault};

/// The location of a store, and its options.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The catalog.
    pub catalog: CatalogPlace,
    /// Where the packs are.
    pub packs: Storage,
    /// Folder in which compiled components are kept between processes; none: compile each time.
    pub cache: Option<PathBuf>,
    /// A component to run instead of the built-in one.
    pub component: Option<PathBuf>,
    /// Clock and ids.
    pub clock: Arc<dyn Clock>,
}

impl StoreOptions {
    /// The embedded default: everything in one folder.
    pub fn embedded(data: impl AsRef<Path>) -> Self {
        let data = data.as_ref();
        StoreOptions {
            catalog: CatalogPlace::Sqlite(data.join("catalog.db")),
            packs: data.to_owned().into(),
            cache: std::path::absolute(data.join("cache")).ok(),
            component: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The error for a store that does not exist: [`StoreOptions::open`] would create it. Creates
    /// nothing.
    ///
    /// # Errors
    /// [`Error::LostCatalog`] if there are packs and no catalog; if a server can't be reached.
    pub async fn absent(&self) -> Result<Option<Error>> {
        Ok(self.missing().await?.map(|(error, _)| error))
    }

    /// The same, with what is in the storage.
    async fn missing(&self) -> Result<Option<(Error, StorageContents)>> {
        let Some(MissingCatalog { identity, instead }) = self.catalog.absent().await? else {
            return Ok(None);
        };
        let contents = self.packs.inspect(&identity).await?;
        let catalog = self.catalog.to_string();
        if contents.are_its_own() {
            return Err(Error::LostCatalog { catalog, instead, packs: contents.place });
        }
        Ok(Some((Error::NoStore { catalog, instead }, contents)))
    }

    /// Opens an existing store, and migrates its catalog.
    ///
    /// # Errors
    /// [`Error::NoStore`]; else as [`StoreOptions::open`].
    pub async fn open_existing(self) -> Result<Store> {
        match self.absent().await? {
            Some(absent) => Err(absent),
            None => self.open_checked(PendingMigrations::Run).await,
        }
    }

    /// Opens an existing store for verbs that only read: its catalog is not migrated.
    ///
    /// # Errors
    /// [`Error::PendingMigrations`] for the catalog of an older packhouse; else as
    /// [`StoreOptions::open_existing`].
    pub async fn open_to_read(self) -> Result<Store> {
        match self.absent().await? {
            Some(absent) => Err(absent),
            None => self.open_checked(PendingMigrations::Refuse).await,
        }
    }

    /// Opens a store, and creates it if it does not exist.
    ///
    /// # Errors
    /// [`Error::LostCatalog`] when there are packs and no catalog; [`Error::StorageTaken`] where a
    /// new catalog would share its storage with another. When a folder or the catalog can't be
    /// created or read; [`Error::NewerStore`] for a store of a newer packhouse.
    pub async fn open(self) -> Result<Store> {
        if let Some((_, contents)) = self.missing().await? {
            check_unused(self.catalog.to_string(), contents)?;
        }
        self.open_checked(PendingMigrations::Run).await
    }

    async fn open_checked(self, pending: PendingMigrations) -> Result<Store> {
        // First the steps that create nothing: an invalid component leaves no store behind.
        let cache = self.cache;
        let component = self.component;
        let sandbox = blocking(move || match component {
            None => Sandbox::reference(cache.as_deref()),
            Some(file) => Sandbox::open(&file, cache.as_deref()),
        })
        .await?;
        // Don't create a catalog if the bucket can't be used.
        let bucket = match &self.packs {
            Storage::S3(bucket) => Some(S3Packs::open(bucket).await?.into_vault(bucket)?),
            Storage::Folder(_) => None,
        };
        let catalog = self.catalog.open_with(pending).await?;
        let vault = match bucket {
            Some(bucket) => bucket,
            None => {
                let folder = self.packs.folder();
                check_folder(catalog.as_ref(), folder).await?;
                std::fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
                Vault::local(folder)?
            }
        };
        Store::with_parts(catalog, vault, Arc::new(sandbox), self.clock).await
    }
}

/// Refuses a missing folder if the catalog has packs: the folder is elsewhere, or its disk is not
/// mounted. Creates nothing.
async fn check_folder(catalog: &dyn Catalog, folder: &Path) -> Result<()> {
    if folder.exists() || catalog.held_packs().await?.is_empty() {
        return Ok(());
    }
    let place = folder.display().to_string();
    Err(Error::WrongStorage { catalog: catalog.place(), place, instead: "no such folder is" })
}

/// Refuses the storage of another catalog for a catalog that does not exist yet: `prune` could not
/// delete anything there any more, for either of the two. Creates nothing.
fn check_unused(catalog: String, contents: StorageContents) -> Result<()> {
    let StorageContents { place, notes: others, note, .. } = contents;
    if others.is_empty() || others.contains(&note) {
        return Ok(());
    }
    Err(Error::StorageTaken { catalog, place, others })
}
