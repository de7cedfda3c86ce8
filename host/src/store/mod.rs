//! The verbs. A [`Store`] is a catalog, a vault and a sandbox; each verb is a file of this folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::names::{RepoName, Visibility};
use crate::progress::Progress;
use crate::report::{FetchReport, GcRecord, GcReport, PushReport, RepoReport, VerifyReport};
use crate::world::World;

/// Where a store is, and with what it works.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// SQLite catalog file.
    pub catalog: PathBuf,
    /// Folder of the packs.
    pub packs: PathBuf,
    /// Folder in which compiled components are kept between processes; none: compile each time.
    pub cache: Option<PathBuf>,
    /// Clock and ids.
    pub world: Arc<dyn World>,
}

impl StoreOptions {
    /// The embedded default: everything in one folder.
    pub fn embedded(data: impl AsRef<Path>) -> Self {
        let _ = data;
        todo!()
    }
}

/// How to push.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Move branches even where the heads don't lead to each other.
    pub force: bool,
}

/// What to fetch.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Commit ids; empty: every branch head.
    pub want: Vec<String>,
    /// Commit ids that the client has.
    pub have: Vec<String>,
    /// How long the answer's URL is good.
    pub ttl: Duration,
    /// A file to write the pack to, besides.
    pub output: Option<PathBuf>,
}

/// A consolidation that can be shown, and applied as it is. Opaque for now.
#[derive(Debug)]
pub struct GcPlan {
    /// What applying it would report; `consolidated_key` is known afterwards.
    pub report: GcReport,
}

/// A store of packs. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens a store, making it on first use.
    pub async fn open(options: StoreOptions) -> Result<Store> { let _ = options; todo!() }
    /// Makes a repo.
    pub async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport> { let _ = (repo, visibility); todo!() }
    /// All repos, by name.
    pub async fn repos(&self) -> Result<Vec<RepoReport>> { todo!() }
    /// One repo.
    pub async fn repo(&self, repo: &RepoName) -> Result<RepoReport> { let _ = repo; todo!() }
    /// Stores files as packs of a repo: all or none.
    pub async fn push(&self, repo: &RepoName, files: &[PathBuf], options: PushOptions, progress: &Progress) -> Result<Vec<PushReport>> { let _ = (repo, files, options, progress); todo!() }
    /// Merges a repo's packs into one; plans anew when the repo changed meanwhile.
    pub async fn gc(&self, repo: &RepoName, progress: &Progress) -> Result<GcReport> { let _ = (repo, progress); todo!() }
    /// Plans a consolidation and changes nothing.
    pub async fn plan_gc(&self, repo: &RepoName, progress: &Progress) -> Result<GcPlan> { let _ = (repo, progress); todo!() }
    /// Does exactly what a plan says; a conflict if the repo has changed.
    pub async fn apply_gc(&self, plan: GcPlan, progress: &Progress) -> Result<GcReport> { let _ = (plan, progress); todo!() }
    /// Answers a fetch.
    pub async fn fetch(&self, repo: &RepoName, request: &FetchRequest, progress: &Progress) -> Result<FetchReport> { let _ = (repo, request, progress); todo!() }
    /// Reads and hashes everything of a repo.
    pub async fn verify(&self, repo: &RepoName, progress: &Progress) -> Result<VerifyReport> { let _ = (repo, progress); todo!() }
    /// The last consolidations of a repo, newest first.
    pub async fn gc_history(&self, repo: &RepoName, limit: u32) -> Result<Vec<GcRecord>> { let _ = (repo, limit); todo!() }
    /// Digest of the component that this store runs.
    pub fn component_digest(&self) -> &str { todo!() }
}
