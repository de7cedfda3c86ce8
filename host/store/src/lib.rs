//! The verbs. A [`Store`] is a catalog, a vault and a sandbox; each verb is a file of this folder.

mod access;
mod answers;
mod as_client;
mod assemble;
mod backup;
mod branch;
mod change_cursor;
mod checkpoint;
pub mod client;
mod clock_skew;
mod compare;
mod complete;
mod conflicts;
mod contents;
mod copy;
mod cost;
mod counted_packs;
mod damage;
mod diagnosis;
mod expire;
mod fetch;
mod gc;
mod generations;
mod health;
mod history;
mod index_check;
mod jobs;
mod known_packs;
mod list_replaced;
mod load;
mod lost;
mod merge_index;
mod newer;
mod operate;
mod orphans;
mod overview;
mod placement;
mod policy;
mod policy_watch;
mod preconditions;
mod prefetch;
mod prepare;
mod prove;
mod proven;
mod prune;
mod push;
mod reach;
mod rebuild_index;
mod receive;
mod record;
mod releases;
mod repair;
mod replaced;
mod repo;
mod salvage;
mod save;
mod scrub;
mod splice;
mod storage;
mod suggest;
#[cfg(test)]
mod tests;
mod transfer;
mod turns;
mod verify;
mod verify_catalog;
mod verify_graph;

use std::sync::Arc;

use clock_skew::SharedSkew;
use packhouse_catalog::{Catalog, Fence, RepoRow, Totals};
use packhouse_model::clock::Clock;
use packhouse_model::error::{Error, OpenError, Result};
use packhouse_model::names::{RepoId, RepoName};
use packhouse_run::{DirectoryHeads, Planner};
use packhouse_vault::{SweepResult, Traffic, Vault};
use record::TapeRecorder;

pub use packhouse_model::blocking::{blocking, joined};

pub use backup::BackupOptions;
pub use fetch::{Content, ContentStream, PlannedAnswer, RequestQuota, RequestedCommits};
pub use gc::GcPlan;
pub use merge_index::IndexWatch;
pub use policy_watch::PolicyWatch;
pub use preconditions::PushPreconditions;
pub use receive::{StagedPack, UploadProgress};
pub use releases::MAX_RELEASE_BYTES;
pub use turns::PushTurn;

// What the methods take and return: callers need not depend on the ports.
pub use packhouse_catalog::fetch_requests::STRANGERS;
pub use packhouse_catalog::{PutRelease, ReleaseRow, RequestBudget};
pub use packhouse_pack::pipeline::{CHUNK, Produce};
pub use packhouse_pack::scan::MAX_RECORD;
pub use packhouse_vault::{StagedFile, StoredPack};

/// How often a verb starts again when the repo changes under it, before it gives up as busy.
const TRIES: usize = 8;

/// Bytes that stay free beside what a run makes, for the catalog's log.
const LOG_ROOM: u64 = 1 << 20;

/// A store of packs. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store {
    catalog: Arc<dyn Catalog>,
    vault: Vault,
    planner: Arc<dyn Planner>,
    clock: Arc<dyn Clock>,
    /// What is done before this store first writes: see [`Store::begin_writing`].
    begun: Arc<tokio::sync::OnceCell<SweepResult>>,
    skew: SharedSkew,
    recorder: Option<Arc<TapeRecorder>>,
    /// The job that is done.
    fence: Option<Fence>,
    /// The repo that a name is pinned to, whichever repo has that name by now.
    pinned: Option<Arc<(RepoName, RepoId)>>,
    /// Answers that were planned for clients, for all clones of the store.
    plans: Arc<fetch::Plans>,
    /// The heads of directories that were read, for all runs.
    directory_heads: Arc<DirectoryHeads>,
    turns: turns::Turns,
    /// How many packs are stored, for all clones of the store.
    counted_packs: Arc<counted_packs::CountedPacks>,
}

impl Store {
    /// A store of parts that the caller made: another component, other limits, ports with faults.
    ///
    /// # Errors
    /// [`OpenError::WrongStorage`] where the vault is not the one that the catalog's packs are in.
    pub async fn with_parts(
        catalog: Arc<dyn Catalog>,
        vault: Vault,
        planner: Arc<dyn Planner>,
        clock: Arc<dyn Clock>,
    ) -> Result<Store> {
        vault.consult(Arc::new(known_packs::PacksOf(catalog.clone())));
        let (begun, skew) = (Arc::default(), SharedSkew::default());
        let store = Store {
            catalog,
            vault,
            planner,
            clock,
            skew,
            begun,
            recorder: None,
            fence: None,
            pinned: None,
            plans: Arc::default(),
            directory_heads: Arc::default(),
            turns: turns::Turns::default(),
            counted_packs: Arc::default(),
        };
        store.check_storage().await?;
        Ok(store)
    }

    /// Digest of the component that this store runs.
    pub fn component_digest(&self) -> &str {
        self.planner.digest()
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
    /// [`OpenError::WrongStorage`], [`OpenError::StorageTaken`]; when the vault can't be written
    /// to.
    pub async fn begin_writing(&self) -> Result<SweepResult> {
        let begin = async || {
            match self.remember_storage().await {
                Err(
                    wrong @ Error::Open(
                        OpenError::WrongStorage { .. } | OpenError::StorageTaken { .. },
                    ),
                ) => return Err(wrong),
                // On a full disk, to prune must still work: the next who writes remembers it.
                Err(error) => {
                    tracing::warn!("the identity of the storage could not be recorded: {error}")
                }
                Ok(()) => {}
            }
            let swept = self.vault.sweep()?;
            if swept.removed > 0 {
                tracing::info!("removed {} files of an earlier run from staging", swept.removed);
            }
            self.vault.register(&self.catalog.identity()).await?;
            Ok(swept)
        };
        self.begun.get_or_try_init(begin).await.copied()
    }

    /// A new file in staging.
    pub async fn stage(&self) -> Result<StagedFile> {
        self.begin_writing().await?;
        self.vault.stage(self.clock.random_id())
    }

    /// A handle on the same store that does a job: it publishes only while the job is its own.
    pub fn for_job(&self, fence: Fence) -> Store {
        Store { fence: Some(fence), ..self.clone() }
    }

    /// A handle on the same store in which a name is pinned to one repo: if another repo takes that
    /// name, it is unknown here.
    pub fn pinned(&self, repo: &RepoName, id: &RepoId) -> Store {
        Store { pinned: Some(Arc::new((repo.clone(), id.clone()))), ..self.clone() }
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
        let found = rustix::fs::statvfs(packhouse_model::files::nearest(&folder))
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
    pub fn need_space(&self, bytes: u64) -> Result<()> {
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
