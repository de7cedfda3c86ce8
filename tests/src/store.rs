//! The library, on a store of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use packhouse_host::catalog::Catalog;
use packhouse_host::clock::FixedClock;
use packhouse_host::sample::{HistoryOptions, SnapshotForm, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::Vault;
use packhouse_host::vault::memory::MemoryPacks;
use packhouse_host::{
    FetchReport, FetchRequest, GcOptions, GcPlan, GcReport, Operation, Progress, PushOptions,
    PushReport, Queued, RepoName, RepoReport, Result, Storage, Store, StoreOptions, VerifyOptions,
    Visibility,
};
use tempfile::TempDir;

use crate::place;
use crate::s3::{S3Server, get};

/// A store in a temporary folder, with the repo `a/b`, and a fixed clock.
#[derive(Debug)]
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// `a/b`.
    pub repo: RepoName,
    /// The server of its packs, when they are not in its folder.
    pub server: Option<S3Server>,
    folder: TempDir,
    files: std::cell::Cell<usize>,
}

/// Where the packs of a store on S3 are in its bucket.
pub const PREFIX: &str = "packs-of/tests";

/// Options for a store in a folder: the time is fixed, and tests of one process share what they
/// compile.
pub fn options(folder: &Path) -> StoreOptions {
    let now = "2026-03-02T09:00:00Z".parse().expect("a fixed date is one");
    StoreOptions {
        cache: None,
        clock: Arc::new(FixedClock::starting_at(now)),
        catalog: place::catalog(folder),
        ..StoreOptions::embedded(folder)
    }
}

/// A store on a catalog and packs in memory, from a time on.
///
/// # Panics
/// When it can't be made.
pub async fn in_memory(catalog: Arc<dyn Catalog>, packs: Arc<MemoryPacks>, now: &str) -> Store {
    let now = now.parse().expect("a time");
    Store::with_parts(
        catalog,
        Vault::in_memory(packs).expect("memory is there"),
        Arc::new(Sandbox::reference(None).expect("it is a component")),
        Arc::new(FixedClock::starting_at(now)),
    )
    .await
    .expect("memory can be opened")
}

/// Pushes of one commit with one small object each.
pub fn small_pushes(count: usize) -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes: count,
        commits_per_push: 1,
        objects_per_commit: 1,
        object_bytes: 16..64,
        form: SnapshotForm::Delta,
        merges: false,
        overlap: false,
        tags: false,
        ..HistoryOptions::default()
    })
}

impl TestStore {
    /// A store with an empty repo `a/b`.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn new() -> TestStore {
        TestStore::made(None).await
    }

    /// The same, with its packs on S3.
    ///
    /// # Panics
    /// When it can't be made.
    pub async fn on_s3() -> TestStore {
        TestStore::made(Some(S3Server::start())).await
    }

    async fn made(server: Option<S3Server>) -> TestStore {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut options = options(&folder.path().join("data"));
        if let Some(server) = &server {
            options.packs = Storage::S3(server.options(PREFIX, &folder.path().join("data/spool")));
        }
        let store = options.open().await.expect("a store can be opened");
        let repo: RepoName = "a/b".parse().expect("a/b is a repo's name");
        store.create_repo(&repo, Visibility::Public).await.expect("a repo can be made");
        TestStore { store, repo, server, folder, files: std::cell::Cell::new(0) }
    }

    /// Folder of the store.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A pack as a file.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn file(&self, pack: &[u8]) -> PathBuf {
        self.files.set(self.files.get() + 1);
        let path = self.folder.path().join(format!("{:04}.mpack", self.files.get()));
        std::fs::write(&path, pack).expect("a file can be written to a temporary folder");
        path
    }

    /// Pushes packs together.
    ///
    /// # Errors
    /// Those of the push.
    pub async fn push(&self, packs: &[impl AsRef<[u8]>]) -> Result<Vec<PushReport>> {
        let files: Vec<PathBuf> = packs.iter().map(|pack| self.file(pack.as_ref())).collect();
        self.store.push(&self.repo, &files, PushOptions::default(), &Progress::silent()).await
    }

    /// Pushes packs one by one.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn push_each(&self, packs: &[impl AsRef<[u8]>]) {
        for pack in packs {
            self.push(std::slice::from_ref(pack)).await.expect("a sound pack is stored");
        }
    }

    /// Consolidates.
    ///
    /// # Errors
    /// Those of the consolidation.
    pub async fn gc(&self) -> Result<GcReport> {
        self.store.gc(&self.repo, GcOptions::default(), &Progress::silent()).await
    }

    /// Plans a consolidation.
    ///
    /// # Errors
    /// Those of the plan.
    pub async fn plan(&self) -> Result<GcPlan> {
        self.store.plan_gc(&self.repo, GcOptions::default(), &Progress::silent()).await
    }

    /// Queues an operation on the repo.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn queue(&self, operation: Operation) -> Result<Queued> {
        self.store.queue(Some(&self.repo), operation).await
    }

    /// `repo show`.
    ///
    /// # Panics
    /// When it fails.
    pub async fn show(&self) -> RepoReport {
        self.store.repo(&self.repo).await.expect("the repo is there")
    }

    /// Fetches; the answer, and the bytes of its pack.
    ///
    /// # Errors
    /// Those of the fetch.
    pub async fn fetch(&self, want: &[String], have: &[String]) -> Result<(FetchReport, Vec<u8>)> {
        let request =
            FetchRequest { want: want.to_vec(), have: have.to_vec(), ..FetchRequest::default() };
        let answer = self.store.fetch(&self.repo, &request, &Progress::silent()).await?;
        let pack = match answer.mpack_url.strip_prefix("file://") {
            Some(path) => std::fs::read(path).expect("the URL leads to the pack"),
            None => get(&answer.mpack_url).await.expect("the URL leads to the pack"),
        };
        assert_eq!(
            answer.mpack_key.map(|key| key.to_string()),
            Some(crate::model::key(&pack)),
            "the key is the hash of the bytes"
        );
        Ok((answer, pack))
    }

    /// The bytes of every pack of the repo, by key.
    ///
    /// # Panics
    /// When one is not where it should be.
    pub async fn packs(&self) -> Vec<Vec<u8>> {
        let root = self.server.as_ref().map_or_else(|| self.data(), |server| server.file(PREFIX));
        let path = |hex: &str| root.join("packs").join(&hex[..2]).join(format!("{hex}.mpack"));
        let keys = self.show().await.pack_keys;
        keys.iter()
            .map(|key| std::fs::read(path(&key.hex())).expect("a pack of the repo is there"))
            .collect()
    }

    /// The repo's heads.
    pub async fn heads(&self) -> BTreeMap<String, String> {
        self.show().await.branch_heads
    }

    /// Checks that `verify` finds nothing wrong.
    ///
    /// # Panics
    /// When it does.
    #[track_caller]
    pub fn sound(&self) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let report = self
                .store
                .verify(&self.repo, VerifyOptions::default(), &Progress::silent())
                .await
                .expect("verify runs");
            assert!(
                report.ok && report.problems.is_empty(),
                "verify at {place}: {:?}",
                report.problems
            );
        }
    }
}
