//! The verbs. A [`Store`] is a catalog, a vault and a sandbox; each verb is a file of this folder.

mod access;
mod answers;
mod backup;
mod branch;
mod checkpoint;
mod client;
mod clock_skew;
mod cost;
mod damage;
mod expire;
mod fetch;
mod gc;
mod history;
mod jobs;
mod load;
mod newer;
mod orphans;
mod overview;
mod placement;
mod policy;
mod prefetch;
mod prove;
mod prune;
mod push;
mod reach;
mod record;
mod releases;
mod repair;
mod replaced;
mod repo;
mod storage;
mod suggest;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::sql::PendingMigrations;
use crate::catalog::{AnswerBudget, Catalog, CatalogPlace, Fence, MissingCatalog, RepoRow, Totals};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::names::{RepoId, RepoName};
use crate::sandbox::Sandbox;
use crate::vault::local::LocalVault;
use crate::vault::s3::S3Vault;
use crate::vault::{StagedFile, Storage, StorageContents, SweepResult, Traffic, Vault};

pub use backup::BackupOptions;
use clock_skew::SharedSkew;
pub use fetch::FetchRequest;
pub use gc::GcPlan;
pub use newer::{NEWER_WAY_OUT, NewerPacks};
pub use prune::PruneOptions;
pub use push::PushOptions;
pub(crate) use push::{PushPreconditions, StagedPack, UploadProgress};
use record::TapeRecorder;
pub(crate) use releases::MAX_RELEASE_BYTES;
pub use repo::RestoreOptions;

/// How often a verb starts again when the repo changes under it, before it gives up as busy.
const TRIES: usize = 8;

/// Bytes that stay free beside what a run makes, for the catalog's log.
const LOG_ROOM: u64 = 1 << 20;

/// Where a store is, and with what it works.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The catalog.
    pub catalog: CatalogPlace,
    /// Where the packs are.
    pub packs: Storage,
    /// Folder in which compiled components are kept between processes; none: compile each time.
    pub cache: Option<PathBuf>,
    /// A component to run instead of the reference artifact.
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

    /// The error of a store that does not exist: [`Store::open`] would create one. Creates nothing.
    ///
    /// # Errors
    /// [`Error::LostCatalog`] when there are packs and no catalog; when a server can't be reached.
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
}

/// A store of packs. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store {
    catalog: Arc<dyn Catalog>,
    vault: Arc<dyn Vault>,
    sandbox: Sandbox,
    clock: Arc<dyn Clock>,
    /// What is done before this store first writes: see [`Store::begin_writing`].
    begun: Arc<tokio::sync::OnceCell<SweepResult>>,
    skew: SharedSkew,
    recorder: Option<Arc<TapeRecorder>>,
    /// The job that is done.
    fence: Option<Fence>,
    /// The repo that a name is pinned to, whichever repo has that name by now.
    pinned: Option<Arc<(RepoName, RepoId)>>,
    /// The quota of answers that are assembled here.
    quota: Option<Arc<AnswerQuota>>,
}

/// A caller for whom answers are assembled, and their disk quota.
#[derive(Clone, Debug)]
pub(crate) struct AnswerQuota {
    /// What their answers are counted by.
    pub(crate) caller: String,
    pub(crate) budget: AnswerBudget,
    /// Whether they are kept. Else one that is kept already is used, and another is a file that is
    /// gone when it has been sent.
    pub(crate) kept: bool,
    /// Bytes of the disk that no answer takes: they are for pushes.
    pub(crate) keep_free: u64,
}

impl Store {
    /// Opens an existing store, and migrates its catalog.
    ///
    /// # Errors
    /// [`Error::NoStore`]; else as [`Store::open`].
    pub async fn open_existing(options: StoreOptions) -> Result<Store> {
        match options.absent().await? {
            Some(absent) => Err(absent),
            None => Store::open_checked(options, PendingMigrations::Run).await,
        }
    }

    /// Opens an existing store for verbs that only read: its catalog is not migrated.
    ///
    /// # Errors
    /// [`Error::PendingMigrations`] for the catalog of an older packhouse; else as
    /// [`Store::open_existing`].
    pub async fn open_to_read(options: StoreOptions) -> Result<Store> {
        match options.absent().await? {
            Some(absent) => Err(absent),
            None => Store::open_checked(options, PendingMigrations::Refuse).await,
        }
    }

    /// Opens a store, and creates it if it does not exist.
    ///
    /// # Errors
    /// [`Error::LostCatalog`] when there are packs and no catalog; [`Error::StorageTaken`] where a
    /// new catalog would share its storage with another. When a folder or the catalog can't be
    /// created or read; [`Error::NewerStore`] for a store of a newer packhouse.
    pub async fn open(options: StoreOptions) -> Result<Store> {
        if let Some((_, contents)) = options.missing().await? {
            storage::check_unused(options.catalog.to_string(), contents)?;
        }
        Store::open_checked(options, PendingMigrations::Run).await
    }

    async fn open_checked(options: StoreOptions, pending: PendingMigrations) -> Result<Store> {
        // First what creates nothing: an invalid component leaves no store behind.
        let cache = options.cache;
        let component = options.component;
        let sandbox = blocking(move || match component {
            None => Sandbox::reference(cache.as_deref()),
            Some(file) => Sandbox::open(&file, cache.as_deref()),
        })
        .await?;
        // A bucket that can't be used is no reason to make a catalog.
        let bucket = match &options.packs {
            Storage::S3(bucket) => Some(Arc::new(S3Vault::open(bucket).await?)),
            Storage::Folder(_) => None,
        };
        let catalog = options.catalog.open_with(pending).await?;
        let vault: Arc<dyn Vault> = match bucket {
            Some(bucket) => bucket,
            None => {
                let folder = options.packs.folder();
                storage::check_folder(catalog.as_ref(), folder).await?;
                std::fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
                Arc::new(LocalVault::open(folder)?)
            }
        };
        Store::with_parts(catalog, vault, sandbox, options.clock).await
    }

    /// A store of parts that the caller made: another component, other limits, ports with faults.
    ///
    /// # Errors
    /// [`Error::WrongStorage`] where the vault is not the one that the catalog's packs are in.
    pub async fn with_parts(
        catalog: Arc<dyn Catalog>,
        vault: Arc<dyn Vault>,
        sandbox: Sandbox,
        clock: Arc<dyn Clock>,
    ) -> Result<Store> {
        vault.consult(Arc::new(prefetch::PacksOf(catalog.clone())));
        let (begun, skew) = (Arc::default(), SharedSkew::default());
        let store = Store {
            catalog,
            vault,
            sandbox,
            clock,
            skew,
            begun,
            recorder: None,
            fence: None,
            pinned: None,
            quota: None,
        };
        store.check_storage().await?;
        Ok(store)
    }

    /// Digest of the component that this store runs.
    pub fn component_digest(&self) -> &str {
        self.sandbox.digest()
    }

    /// Where the catalog is.
    pub fn catalog_place(&self) -> String {
        self.catalog.place()
    }

    /// Where the packs are.
    pub fn vault_place(&self) -> String {
        self.vault.place()
    }

    /// What was asked of the place that the packs are in, since the store was opened.
    pub fn traffic(&self) -> Traffic {
        self.vault.traffic()
    }

    /// Free bytes on the local disk.
    ///
    /// # Errors
    /// When the folder can't be accessed.
    pub fn free_bytes(&self) -> Result<u64> {
        self.vault.free_bytes()
    }

    /// What was found in staging before this store first wrote; nothing as long as it has only
    /// read.
    pub fn swept(&self) -> SweepResult {
        self.begun.get().copied().unwrap_or_default()
    }

    /// Before the first write, once: removes what crashes left in staging, and records in catalog
    /// and vault that they belong together. Verbs that only read change nothing.
    ///
    /// # Errors
    /// [`Error::WrongStorage`], [`Error::StorageTaken`]; when the vault can't be written to.
    pub async fn begin_writing(&self) -> Result<SweepResult> {
        let begin = async || {
            match self.remember_storage().await {
                Err(wrong @ (Error::WrongStorage { .. } | Error::StorageTaken { .. })) => {
                    return Err(wrong);
                }
                // On a full disk, to prune must still work: the next who writes remembers it.
                Err(error) => {
                    tracing::warn!("the identity of the storage could not be recorded: {error}")
                }
                Ok(()) => {}
            }
            let swept = self.vault.sweep().await?;
            if swept.removed > 0 {
                tracing::info!("removed {} files of an earlier run from staging", swept.removed);
            }
            self.vault.register(&self.catalog.identity()).await?;
            Ok(swept)
        };
        self.begun.get_or_try_init(begin).await.copied()
    }

    /// A new file in staging.
    pub(crate) async fn stage(&self) -> Result<StagedFile> {
        self.begin_writing().await?;
        self.vault.stage(self.clock.random_id())
    }

    /// A handle on the same store that does a job: it publishes only while the job is its own.
    pub(crate) fn for_job(&self, fence: Fence) -> Store {
        Store { fence: Some(fence), ..self.clone() }
    }

    /// A handle on the same store in which a name is pinned to one repo: if another repo takes that
    /// name, it is unknown here.
    pub(crate) fn pinned(&self, repo: &RepoName, id: &RepoId) -> Store {
        Store { pinned: Some(Arc::new((repo.clone(), id.clone()))), ..self.clone() }
    }

    /// A handle on the same store in which answers are assembled under a quota.
    pub(crate) fn with_quota(self, quota: AnswerQuota) -> Store {
        Store { quota: Some(Arc::new(quota)), ..self }
    }

    /// What all repos hold together.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn totals(&self) -> Result<Totals> {
        self.catalog.totals().await
    }

    /// Size of the local disk that is written to, in bytes.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn disk_bytes(&self) -> Result<u64> {
        let folder = self.vault.folder();
        let found = rustix::fs::statvfs(crate::files::nearest(&folder))
            .map_err(|error| Error::io("reading the disk size of", &folder)(error.into()))?;
        Ok(found.f_blocks.saturating_mul(found.f_frsize))
    }

    /// Whether a repo is the one that its name is pinned to, if any.
    fn means(&self, row: &RepoRow) -> bool {
        self.pinned.as_deref().is_none_or(|(name, id)| *name != row.name || *id == row.repo_id)
    }

    fn lease_lost(&self) -> Error {
        Error::LeaseLost { job: self.fence.map_or(0, |fence| fence.job) }
    }

    pub(crate) async fn known_repo(&self, name: &RepoName) -> Result<RepoRow> {
        let row = self.catalog.repo(name).await?.filter(|row| self.means(row));
        row.ok_or_else(|| Error::UnknownRepo(name.clone()))
    }

    /// The catalog's number of a repo, where one is named.
    async fn number_of(&self, name: Option<&RepoName>) -> Result<Option<i64>> {
        match name {
            None => Ok(None),
            Some(name) => Ok(Some(self.known_repo(name).await?.id)),
        }
    }

    /// Milliseconds since `start`.
    fn millis_since(&self, start: jiff::Timestamp) -> u64 {
        u64::try_from(self.clock.now().duration_since(start).as_millis()).unwrap_or(0)
    }

    /// Fails before a run starts that could not end: one that leaves so many bytes in the vault.
    pub(crate) fn need_space(&self, bytes: u64) -> Result<()> {
        let needed = bytes.saturating_add(LOG_ROOM);
        let free = self.vault.free_bytes()?;
        if free < needed {
            let source = std::io::Error::new(
                std::io::ErrorKind::StorageFull,
                format!("not enough disk space: {needed} bytes needed, {free} free"),
            );
            return Err(Error::Io {
                doing: "creating a pack in",
                path: self.vault.folder(),
                source,
            });
        }
        Ok(())
    }
}

/// Runs work that computes or waits for files off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    joined(tokio::task::spawn_blocking(work)).await?
}

/// Waits for such work. Its panic is passed on: it must not look like a cancellation.
pub(crate) async fn joined<T>(work: tokio::task::JoinHandle<T>) -> Result<T> {
    match work.await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Cancelled),
        },
    }
}
