//! Why a store is not opened.

/// Why a store is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no store, and this verb does not create one.
    #[error(
        "there is no store: {catalog} {instead}. Create one with: packhouse repo create OWNER/SLUG, or name an existing one with --data, --database or --storage. Nothing was created"
    )]
    NoStore {
        /// Where its catalog would be.
        catalog: String,
        /// What is there instead, as the end of a sentence.
        instead: &'static str,
    },

    /// There are packs, but their catalog is missing.
    #[error(
        "the catalog {catalog} {instead}, but there are packs in {packs}: no new catalog is created next to them. Restore the catalog from a backup, then run: packhouse verify. Without a backup, create a store in another folder and push the packs to its repos: packhouse --data OTHER repo create OWNER/SLUG, then packhouse --data OTHER push OWNER/SLUG FILE…"
    )]
    LostCatalog {
        /// Where it should be.
        catalog: String,
        /// What is there instead, as the end of a sentence.
        instead: &'static str,
        /// Where the packs are.
        packs: String,
    },

    /// The store was created by a newer packhouse.
    #[error(
        "the catalog {catalog} was created by a newer packhouse (it has migration {found}, this one supports up to {known}); update packhouse, or use another --data folder"
    )]
    NewerStore {
        /// The catalog.
        catalog: String,
        /// The unknown migration.
        found: i64,
        /// The last known one.
        known: i64,
    },

    /// The catalog was created by an older packhouse, and this verb does not migrate it.
    #[error(
        "the catalog {catalog} was created by an older packhouse: {}. A verb that only reads changes nothing; migrate the catalog first: packhouse migrate",
        if missing.is_empty() {
            "its migrations are not those of this one".to_owned()
        } else {
            format!("it lacks migration {}", missing.join(", "))
        }
    )]
    PendingMigrations {
        /// The catalog.
        catalog: String,
        /// What it lacks.
        missing: Vec<String>,
    },

    /// There is a database of another program where a catalog should be.
    #[error(
        "{database} is not a catalog: its tables belong to another program. Name the store with --data or --database; if this was its catalog, restore it from a backup. Nothing was changed"
    )]
    ForeignDatabase {
        /// The file, or the database on a server.
        database: String,
    },

    /// The storage has the packs of another catalog.
    #[error(
        "the storage {place} belongs to another catalog: {}. Give the catalog {catalog} a storage of its own with --storage (in a bucket: another prefix); if the other one no longer exists, remove its note from the folder `catalogs` there. Nothing was changed",
        others.join(", ")
    )]
    StorageTaken {
        /// The catalog.
        catalog: String,
        /// The storage.
        place: String,
        /// What the notes there say.
        others: Vec<String>,
    },

    /// The storage is not the one with the catalog's packs.
    #[error(
        "the packs of the catalog {catalog} are not in {place}: {instead} there. Name their storage with --storage, PACKHOUSE_STORAGE_URL or --data; if the packs were moved, move the files next to them, too. Nothing was changed"
    )]
    WrongStorage {
        /// The catalog.
        catalog: String,
        /// The named storage.
        place: String,
        /// What is there instead.
        instead: &'static str,
    },
}
